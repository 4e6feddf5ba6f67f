"""Train with several Axolotl files in one process, DeepSpeed and FSDP included: `python reduced_runs.py a.yml b.yml`.

Like `axolotl_runs.py`, but also resets the state that a run leaves in accelerate and transformers. Works with torchrun.
"""

import os
import sys

from tests.support import axolotl_runs

BEFORE = dict(os.environ)
PREFIXES = ("ACCELERATE_", "FSDP_")
"""Prefixes of the variables with which Axolotl configures accelerate."""
_forget = axolotl_runs._forget


def forget() -> None:
    """Reset the process for the next run."""
    import transformers.modeling_utils
    from transformers.integrations import deepspeed

    _forget()
    deepspeed.unset_hf_deepspeed_config()
    # after a ZeRO-3 run, Axolotl leaves this returning True for the rest of the process
    deepspeed.is_deepspeed_zero3_enabled = transformers.modeling_utils.is_deepspeed_zero3_enabled = ZERO_3
    for name in [name for name in os.environ if name.startswith(PREFIXES) and name not in BEFORE]:
        del os.environ[name]


if __name__ == "__main__":
    from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled as ZERO_3

    axolotl_runs._forget = forget
    axolotl_runs._main(sys.argv[1:])
