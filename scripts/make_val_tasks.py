"""Write the YAML files of the lm_eval tasks: `python scripts/make_val_tasks.py [FOLDER]`.

The default folder is the package's own, lm_eval_tasks/val_probe. A test compares its files with the output of this
script.
"""

import sys
from pathlib import Path

from in2_plugin.probing.lm_eval.task_files import write_package_tasks
from in2_plugin.probing.probes.builtin import BUILTIN

FOLDER = Path(__file__).parents[1] / "lm_eval_tasks/val_probe"

if __name__ == "__main__":
    write_package_tasks(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER, BUILTIN)
