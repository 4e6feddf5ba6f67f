"""The commands of the evidence study; `python -m benchmarks.evidence -h` lists them."""

import argparse
import sys
from pathlib import Path

from in2_plugin.errors import ConfigError, In2Error


def run(given: argparse.Namespace) -> None:
    """Run the cells of a study that have no row."""
    from benchmarks.evidence.running.cells import Runner, cells_of, measures_of
    from benchmarks.evidence.running.folder import open_folder
    from in2_plugin.io.lock import folder_lock

    folder = open_folder(given.out, given.study, given.model, given.device)
    _require_known("--arms", given.arms, folder.study.arms)
    _require_known("--seeds", given.seeds, folder.study.seeds)
    _require_known("--measures", given.measures or [], measures_of(folder.study))
    cells = cells_of(folder.study, given.arms, given.seeds, given.measures)
    if given.plan:  # also while the study runs, which holds the lock
        print("\n".join(Runner(folder).plan(cells)))
        return
    with folder_lock(folder.path, name="study.lock"):
        Runner(folder, lambda line: print(line, flush=True)).run(cells)
    print(f"finished; next: python -m benchmarks.evidence report {given.out}")


def report(given: argparse.Namespace) -> None:
    """Write the page of a study."""
    from benchmarks.evidence.analysis.page import write_page

    print(f"wrote {write_page(given.folder, given.output)}")


def power(given: argparse.Namespace) -> None:
    """Print how many questions the study needs, by true effect and deviation of seeds."""
    from benchmarks.evidence.analysis.power import StudyDesign, table

    design = StudyDesign(
        given.questions, 0.0, given.seeds, given.arms, score=given.average / 100, stable=given.stable / 100
    )
    print(table(design, given.effects, given.deviations, given.power / 100, given.runs))


def invent(given: argparse.Namespace) -> None:
    """Write invented rows, to try the analysis before there are results."""
    from benchmarks.evidence.analysis.invented import invent_study

    invent_study(given.folder, dict(_pairs(given.dips)), given.questions, given.seeds, given.seed)
    print(f"wrote invented rows to {given.folder}; next: python -m benchmarks.evidence report {given.folder} -o FOLDER")


def _pairs(given: list[str]) -> list[tuple[str, float]]:
    try:
        return [(name, float(value)) for name, _, value in (one.partition("=") for one in given)]
    except ValueError:
        raise ConfigError("--dips: write ARM=POINTS, for example `start=30 uniform=0`") from None


def _require_known(option: str, given: list[str] | list[int], known: object) -> None:
    wrong = [one for one in given if one not in known]  # type: ignore[operator]
    if wrong:
        raise ConfigError(f"{option}: the study has no {wrong[0]}; choose of {', '.join(map(str, known))}")  # type: ignore[call-overload]


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description="The evidence study.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("run", help="run a study, or resume it")
    one.add_argument("--out", type=Path, required=True, help="folder of the study; copy it to go on elsewhere")
    one.add_argument("--study", type=Path, help="study file of a new folder; default: benchmarks/evidence/study.yml")
    one.add_argument("--model", type=Path, help="folder of the untrained model; copied into a new folder")
    one.add_argument("--arms", nargs="+", default=[], help="only these arms")
    one.add_argument("--seeds", nargs="+", type=int, default=[], help="only these seeds")
    one.add_argument("--measures", nargs="*", help="only these measures; without a name, train and measure nothing")
    one.add_argument("--device", choices=("cpu", "cuda", "mps"), help="default: that of the folder, cpu for a new one")
    one.add_argument("--plan", action="store_true", help="print the cells that remain, and how long they take")
    one.set_defaults(run=run)

    one = commands.add_parser("report", help="write the page with tables, curves and verdicts")
    one.add_argument("folder", type=Path, help="folder of a study; only rows.jsonl, scores/ and study.yml are read")
    one.add_argument("--output", "-o", type=Path, help="folder of the page; default: docs/evidence")
    one.set_defaults(run=report)

    one = commands.add_parser("power", help="print how many questions the study needs")
    one.add_argument("--effects", type=float, nargs="+", default=[0, 10, 20, 25, 30], help="true effects, points")
    one.add_argument("--deviations", type=float, nargs="+", default=[0, 3, 6], help="of dips between seeds, points")
    one.add_argument("--questions", type=int, default=120, help="whose power is printed")
    one.add_argument("--seeds", type=int, default=3)
    one.add_argument("--arms", type=int, default=3, help="arms with a second stage")
    one.add_argument("--average", type=float, default=50, help="score to expect, percent")
    one.add_argument("--stable", type=float, default=25, help="percent of a question's variance that seeds share")
    one.add_argument("--power", type=float, default=90, help="percent")
    one.add_argument("--runs", type=int, default=1_000, help="simulated studies per number")
    one.set_defaults(run=power)

    one = commands.add_parser("invent", help="write invented rows, to try `report`")
    one.add_argument("folder", type=Path)
    one.add_argument("--dips", nargs="+", default=["start=30", "short=30", "edges=30", "middle=0", "uniform=0"])
    one.add_argument("--questions", type=int, default=200)
    one.add_argument("--seeds", type=int, default=3)
    one.add_argument("--seed", type=int, default=0, help="of the random generator")
    one.set_defaults(run=invent)
    return top


def main() -> None:
    """Parse the command line and run a command."""
    given = parser().parse_args()
    try:
        given.run(given)
    except In2Error as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; run the same command again to resume")


if __name__ == "__main__":
    main()
