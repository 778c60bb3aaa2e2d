"""`alerting templates`: the library of alerts to choose from."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer
from rich.syntax import Syntax
from ruamel.yaml import YAML
from ruamel.yaml.compat import StringIO
from ruamel.yaml.error import YAMLError

from alerting_assets.alerts.definitions import read_definitions
from alerting_assets.alerts.operators import Domain
from alerting_assets.alerts.template_parameters import ParameterType
from alerting_assets.alerts.templates import AlertTemplate, check_parameters
from alerting_assets.cli.config import as_yaml
from alerting_assets.cli.context import Json, console, lakehouse, now, print_json, print_table, settings
from alerting_assets.configuration import read_rows, render_template, seed_template_alerts, templates_of
from alerting_assets.configuration.add import FILE, add_from_template
from alerting_assets.configuration.files import TEMPLATES, read_folder
from alerting_assets.errors import SettingsError, TemplateError

app = typer.Typer(no_args_is_help=True, help="The library of templates: alerts that need only parameters.")

TemplateId = Annotated[str, typer.Argument(metavar="TEMPLATE_ID")]
Params = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="A parameter, its value as YAML; repeat it for more."),
]
Owner = Annotated[str | None, typer.Option(help="Whose alert it is; default: your user name.")]


@app.command("list")
def list_(
    domain: Annotated[
        str | None, typer.Option(help="COST, SECURITY, PERFORMANCE, RELIABILITY or QUALITY only.")
    ] = None,
    as_json: Json = False,
) -> None:
    """All templates: the package's, and your own of alerts/templates/."""
    if domain is not None and domain not in list(Domain):
        raise SettingsError(f"--domain {domain}: use one of {', '.join(Domain)}")
    found = [item for item in templates_of(settings().definitions).values() if domain in (None, item.agent_domain)]
    if as_json:
        print_json([_summary(template) for template in found])
        return
    rows = [
        (item.template_id, item.template_name, item.agent_domain, item.severity, ", ".join(_signature(item)))
        for item in found
    ]
    print_table(f"{len(found)} templates", ("template", "name", "domain", "severity", "parameters (* required)"), rows)
    console.print("`alerting templates show TEMPLATE` has the details.")


@app.command()
def show(template_id: TemplateId, as_json: Json = False) -> None:
    """What a template measures, its parameters and its query."""
    template = templates_of(settings().definitions).find(template_id)
    if as_json:
        print_json({**_summary(template), "query": template.query_template, "fields": dict(template.fields)})
        return
    console.print(f"[bold]{template.template_id}[/bold]  {template.template_name}")
    console.print(f"{template.agent_domain}, {template.severity}, schedule {template.fields['schedule_cron']}\n")
    console.print(template.description + "\n", markup=False)
    rows = [
        (
            item.name,
            item.type.value,
            "required" if item.is_required else item.default,
            item.bounds or None,
            item.description,
        )
        for item in template.parameters.values()
    ]
    print_table("Parameters", ("name", "type", "default", "bounds", "meaning"), rows)
    console.print(Syntax(template.query_template, "sql", background_color="default", word_wrap=True))
    required = " ".join(f"--param {name}=…" for name in template.required_params)
    console.print(
        f"`alerting templates add {template.template_id}{f' {required}' if required else ''}` makes an alert of it."
    )


@app.command()
def render(template_id: TemplateId, param: Params = None, as_json: Json = False) -> None:
    """The fields of an alert that a template gives with these parameters."""
    template = templates_of(settings().definitions).find(template_id)
    fields = render_template(template, _values(template, param))
    if as_json:
        print_json(fields)
    else:
        console.print(as_yaml(fields), markup=False, end="", soft_wrap=True)


@app.command()
def add(
    template_id: TemplateId,
    param: Params = None,
    alert_id: Annotated[str | None, typer.Option("--id", help="Default: the first free one, such as COST-004.")] = None,
    name: Annotated[str | None, typer.Option(help="For people; default: the template's.")] = None,
    owner: Owner = None,
    severity: Annotated[str | None, typer.Option(help="Default: the template's.")] = None,
    channel: Annotated[list[str] | None, typer.Option(help="An e-mail address or destination id; repeat it.")] = None,
    as_json: Json = False,
) -> None:
    """Write an alert of a template into from_templates.yml, in the folder of the definitions."""
    chosen = settings()
    template = templates_of(chosen.definitions).find(template_id)
    fields = {
        "alert_id": alert_id,
        "alert_name": name,
        "severity": severity,
        "notification_channels": channel,
        "owner": owner or getpass.getuser(),
    }
    with lakehouse(chosen) as tables:
        rows = read_rows(tables)
    alert = add_from_template(chosen.definitions, template, _values(template, param), fields, rows)
    if as_json:
        print_json(alert.row())
        return
    console.print(
        f"[bold]{alert.alert_id}[/bold] {alert.alert_name}: {alert.aggregation_column} {alert.condition.words}"
    )
    console.print(
        f"Owner {alert.owner}; written to {chosen.definitions / FILE}. `alerting plan {alert.alert_id}` shows what comes of it."
    )


@app.command()
def seed(owner: Owner = None, as_json: Json = False) -> None:
    """Add the four alerts to start with as rows of the table, unless they are there."""
    chosen = settings()
    with lakehouse(chosen) as tables:
        defined = read_definitions(read_folder(chosen.definitions).texts, templates_of(chosen.definitions)).mentioned
        own = chosen.definitions / TEMPLATES
        alerts = seed_template_alerts(tables, owner or getpass.getuser(), now(), own, defined)
    if as_json:
        print_json([alert.row() for alert in alerts])
        return
    rows = [(item.alert_id, item.template_id, item.alert_name, item.severity.value, item.owner) for item in alerts]
    print_table("Alerts managed by their template", ("alert", "template", "name", "severity", "owner"), rows)


def _values(template: AlertTemplate, given: list[str] | None) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"--param {text!r} is not NAME=VALUE")
        parameter = template.parameters.get(name)
        is_text = parameter is not None and parameter.type in (
            ParameterType.STRING,
            ParameterType.TABLE,
            ParameterType.COLUMN,
        )
        values[name] = value if is_text else _yaml(template, name, value)
    check_parameters(template, values)
    return values


def _yaml(template: AlertTemplate, name: str, text: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(StringIO(text))
    except YAMLError:
        raise TemplateError(template.template_id, name, f"{text!r} cannot be read as YAML") from None


def _signature(template: AlertTemplate) -> list[str]:
    return [f"{name}*" if item.is_required else f"{name}={item.default}" for name, item in template.parameters.items()]


def _summary(template: AlertTemplate) -> dict[str, Any]:
    return {
        "template_id": template.template_id,
        "template_name": template.template_name,
        "description": template.description,
        "agent_domain": template.agent_domain,
        "severity": template.severity,
        "parameters": [
            {
                "name": item.name,
                "type": item.type.value,
                "description": item.description,
                "required": item.is_required,
                "default": item.default,
                "min": item.minimum,
                "max": item.maximum,
                "choices": list(item.choices) or None,
            }
            for item in template.parameters.values()
        ],
        "file": template.file,
    }
