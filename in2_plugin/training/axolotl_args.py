"""The keys under `in2:` in an Axolotl file."""

from pydantic import BaseModel

from in2_plugin.config.base import Config


class IN2Options(Config):
    """What can be said under `in2:`; an unknown key is an error."""

    accept_keys: tuple[str, ...] = ()
    """Keys of the file, in dotted form, to let pass although Axolotl's schema does not list them."""


class IN2Args(BaseModel):
    """Merged by Axolotl into its own schema."""

    in2: IN2Options | None = None
