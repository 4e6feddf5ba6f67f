"""The Typer application: all commands, in the order that `in2 --help` lists them."""

import typer

from in2_plugin.cli.audit import audit
from in2_plugin.cli.build import build, merge
from in2_plugin.cli.demo import demo
from in2_plugin.cli.doctor import doctor
from in2_plugin.cli.estimate import estimate
from in2_plugin.cli.export import export
from in2_plugin.cli.groups import In2Group
from in2_plugin.cli.lm_eval import lm_eval
from in2_plugin.cli.model import model
from in2_plugin.cli.preflight import preflight
from in2_plugin.cli.preview import preview
from in2_plugin.cli.probe import probe
from in2_plugin.cli.push import push
from in2_plugin.cli.recipes import recipes
from in2_plugin.cli.report import report
from in2_plugin.cli.schema import schema
from in2_plugin.cli.sft import sft
from in2_plugin.cli.status import status
from in2_plugin.cli.tasks import tasks, tasks_path
from in2_plugin.cli.teach import teach
from in2_plugin.cli.val import val
from in2_plugin.cli.version import show_version

app = typer.Typer(
    name="in2",
    cls=In2Group,
    help="Build IN2 training data, train on it with Axolotl or TRL, and probe the result.",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich costs a help text 0.3 s of processor time
    pretty_exceptions_enable=False,
)
app.callback()(show_version)
app.command()(demo)
app.command()(estimate)
app.command()(preview)
app.command()(build)
app.command()(merge)
app.command()(audit)
app.command()(status)
app.command()(doctor)
app.command()(preflight)
app.command()(export)
app.command()(teach)
app.command()(push)
app.command()(schema)
app.add_typer(recipes, name="recipes")
app.add_typer(model, name="model")
# all arguments belong to another program
FORWARDED = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
app.command(context_settings=FORWARDED)(sft)
app.command(name="lm-eval", context_settings=FORWARDED)(lm_eval)
app.command(name="tasks-path")(tasks_path)
app.add_typer(tasks, name="tasks")
app.add_typer(val, name="val")
app.add_typer(probe, name="probe")
app.command()(report)

command = typer.main.get_command(app)
