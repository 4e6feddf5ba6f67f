"""Write the YAML files of the lm_eval tasks: `python scripts/make_val_tasks.py [FOLDER]`.

The default folder is the package's own, lm_eval_tasks, with val_probe and position in it. A test compares its files
with the output of this script.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

from in2_plugin.probing.lm_eval.task_files import write_package_tasks
from in2_plugin.probing.probes.builtin import BUILTIN
from in2_plugin.probing.probes.registry import POSITION, POSITION_PROBES

FOLDER = Path(__file__).parents[1] / "lm_eval_tasks"

if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    write_package_tasks(parser.parse_args().folder, BUILTIN, [POSITION_PROBES[name] for name in POSITION])
