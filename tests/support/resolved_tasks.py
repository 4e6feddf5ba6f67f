"""Print as JSON the shots of every task of a group as lm_eval resolves them: `resolved_tasks.py FOLDER GROUP`.

Nothing is loaded but the tasks' configurations: lm_eval's task class is kept from fetching its data, and the scoring
libraries that some of its tasks import may be missing.
"""

import json
import sys
from importlib import metadata
from unittest.mock import MagicMock

OPTIONAL = ("antlr4", "bs4", "fuzzywuzzy", "jieba", "math_verify", "nltk", "rouge", "wonderwords")
"""Imported by the tasks of LongBench, MATH and RULER, which also load word lists with nltk."""


def resolve(folder: str, group: str) -> dict[str, int | None]:
    from lm_eval.api import task
    from lm_eval.tasks import TaskManager

    sys.modules.update({name: MagicMock() for name in OPTIONAL})
    real_version = metadata.version
    metadata.version = lambda name: "4.11" if name.startswith("antlr4") else real_version(name)
    shots: dict[str, int | None] = {}

    def note(self: task.ConfigurableTask, *_: object, config: dict, **__: object) -> None:
        self._config = task.TaskConfig(**{key: value for key, value in config.items() if key != "class"})
        shots[self._config.task] = self._config.num_fewshot

    task.ConfigurableTask.__init__ = note
    manager = TaskManager(include_path=folder)
    (manager.load if hasattr(manager, "load") else manager.load_task_or_group)([group])
    return shots


if __name__ == "__main__":
    print(json.dumps(resolve(*sys.argv[1:])))
