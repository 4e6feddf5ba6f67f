"""Command groups: a misspelled command gets one suggestion, and errors are one sentence on stderr."""

import sys

import click
import typer.core

from in2_plugin.cli.terminal import wrapped
from in2_plugin.errors import In2Error


class CommandGroup(typer.core.TyperGroup):
    """Suggest the nearest command once; click 8.5 and Typer each add a suggestion of their own."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            from in2_plugin.config import nearest

            near = nearest(name, self.list_commands(ctx))
            ctx.fail(f"there is no command `{name}`; " + (f"did you mean `{near}`?" if near else "see --help"))
        return super().resolve_command(ctx, args)


class In2Group(CommandGroup):
    """Print our errors as one sentence on stderr with exit status 1, also under `axolotl in2`."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except In2Error as error:
            print(wrapped(f"error: {error}", sys.stderr), file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            sys.exit(130)
