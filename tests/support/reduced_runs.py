"""`python reduced_runs.py a.yml b.yml`: train with each Axolotl file in one process, DeepSpeed and FSDP included.

Like `axolotl_runs.py`, but it also forgets what the run before told accelerate and transformers. Takes torchrun, too.
"""

import os
import sys

from tests.support import axolotl_runs

BEFORE = dict(os.environ)
TOLD = ("ACCELERATE_", "FSDP_")
"""Beginnings of the variables with which Axolotl tells accelerate how to train."""
_forget = axolotl_runs._forget


def forget() -> None:
    """Leave the next run a process as new."""
    import transformers.modeling_utils
    from transformers.integrations import deepspeed

    _forget()
    deepspeed.unset_hf_deepspeed_config()
    # under ZeRO-3 Axolotl makes this say yes for the rest of the process
    deepspeed.is_deepspeed_zero3_enabled = transformers.modeling_utils.is_deepspeed_zero3_enabled = ZERO_3
    for name in [name for name in os.environ if name.startswith(TOLD) and name not in BEFORE]:
        del os.environ[name]


if __name__ == "__main__":
    from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled as ZERO_3

    axolotl_runs._forget = forget
    axolotl_runs._main(sys.argv[1:])
