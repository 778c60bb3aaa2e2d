"""The port to MLflow: trainings as runs of an experiment, what they learned as versions of a registered model.

Embedded, all of it is a SQLite file and a folder in the home; on Databricks it is the workspace's tracking server and Unity Catalog
(docs/operation.md). Which version serves, an alias says; who moves the alias, promotes or rolls back."""

from __future__ import annotations

import io
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alerting_assets.alerts.hold import MODEL, SERVING
from alerting_assets.anomaly import Model
from alerting_assets.errors import AlertingError, ModelStoreError
from alerting_assets.settings import Settings
from alerting_assets.suppression.bundle import Bundle, BundleError, read_bundle

if TYPE_CHECKING:
    from mlflow import MlflowClient

DETECTOR = Path(__file__).with_name("detector.py")
"""The file that MLflow copies into each version."""
EXPERIMENT = "alert_anomaly_detector"
TRAINED_AT = "trained_at"
_REGISTRY = "MLFLOW_REGISTRY_URI"
"""The variable that MLflow sets with its registry, for subprocesses."""
VERDICT = "gate"


@dataclass(frozen=True)
class Served:
    """A version of a registered model, loaded (`refresh.Serving`)."""

    name: str
    version: str
    bundle: Bundle

    @property
    def trained_at(self) -> datetime:
        return self.bundle.trained_at

    def model_of(self, alert_id: str, measured_hash: str) -> Model | None:
        return self.bundle.model_of(alert_id, measured_hash)


@dataclass(frozen=True)
class Version:
    """A version of a registered model. passed: whether the gate let it serve; serves: whether an alias of ours names it."""

    version: str
    trained_at: datetime | None
    passed: bool
    serves: bool
    run_id: str | None


class ModelRegistry:
    """Where models are. Nothing is opened, and MLflow not imported, before the first call. Every method raises ModelStoreError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.tracking_uri, self.registry_uri = uris(settings)
        self.model = f"{settings.catalog}.{settings.schema}.{MODEL}"

    def record(
        self,
        bundle: Bundle,
        *,
        passed: bool,
        parameters: Mapping[str, Any],
        metrics: Mapping[str, float],
        pictures: Mapping[str, bytes],
        tables: Mapping[str, list[Mapping[str, Any]]],
    ) -> Version:
        """Record a training and register what it learned as a new version. passed: what the gate says; the alias stays where it is.
        pictures, tables: by file name, to be looked at with the run."""
        import pandas as pd  # type: ignore[import-untyped]

        # MLflow tells what it does on standard error, whatever its logging is set to.
        with self._errors("record the training in"), redirect_stderr(io.StringIO()), self._quiet() as mlflow:
            client = self._client
            trained_at = bundle.trained_at.isoformat()
            example = pd.DataFrame(
                {
                    "alert_id": sorted(bundle.learned)[:1] or ["ALERT-001"],
                    "timestamp": pd.to_datetime([bundle.trained_at.replace(tzinfo=None)]),
                }
            )
            answer = pd.DataFrame([[0.0] * 4], columns=["expected", "lower", "upper", "scale"])
            with mlflow.start_run(experiment_id=self._experiment, run_name=f"training {trained_at}") as run:
                mlflow.log_params({key: str(value)[:500] for key, value in parameters.items()})
                mlflow.log_metrics(dict(metrics))
                with tempfile.TemporaryDirectory() as folder:
                    for name, content in pictures.items():
                        path = Path(folder) / name
                        path.write_bytes(content)
                        mlflow.log_artifact(str(path), "plots")
                    for name, rows in tables.items():
                        mlflow.log_dict(list(rows), f"tables/{name}.json")
                    artifact = Path(folder) / "bundle.json"
                    artifact.write_text(bundle.text(), encoding="utf-8")
                    info = mlflow.pyfunc.log_model(
                        name="model",
                        python_model=str(DETECTOR),
                        artifacts={"bundle": str(artifact)},
                        signature=mlflow.models.infer_signature(example, answer),
                        input_example=example,
                        pip_requirements=["pandas", "mlflow"],
                        registered_model_name=self.model,
                    )
            version = str(info.registered_model_version)
            for key, value in ((TRAINED_AT, trained_at), (VERDICT, "passed" if passed else "failed")):
                client.set_model_version_tag(self.model, version, key, value)
            return Version(version, bundle.trained_at, passed, False, run.info.run_id)

    def serve(self, version: str, alias: str = SERVING) -> None:
        """Let a version serve: move the alias."""
        with self._errors(f"move the alias {alias} to version {version} in"):
            self._client.set_registered_model_alias(self.model, alias, version)

    def versions(self, alias: str = SERVING) -> list[Version]:
        """All of them, the newest first; none where nothing was trained yet."""
        with self._errors("list the versions in"):
            found = self._client.search_model_versions(f"name='{self.model}'")
            serving = self._version_of(self.model, alias)
            return sorted(
                (
                    Version(
                        str(one.version),
                        datetime.fromisoformat(one.tags[TRAINED_AT]) if TRAINED_AT in one.tags else None,
                        one.tags.get(VERDICT) == "passed",
                        str(one.version) == serving,
                        one.run_id,
                    )
                    for one in found
                ),
                key=lambda one: int(one.version),
                reverse=True,
            )

    def load(self, model_name: str) -> Served | None:
        """The version that serves; None where there is none yet. model_name: `<registered model>@<alias>`."""
        name, _, alias = model_name.partition("@")
        with self._errors(f"load {model_name} from"), self._quiet() as mlflow:
            version = self._version_of(name, alias)
            if version is None:
                return None
            folder = mlflow.artifacts.download_artifacts(f"models:/{name}/{version}")
            text = (Path(folder) / "artifacts" / "bundle.json").read_text(encoding="utf-8")
        try:
            return Served(name, version, read_bundle(text))
        except BundleError as error:
            raise ModelStoreError(f"version {version} of {name} cannot be used: {error}") from None

    def _version_of(self, name: str, alias: str) -> str | None:
        from mlflow.exceptions import MlflowException

        try:
            return str(self._client.get_model_version_by_alias(name, alias).version)
        except MlflowException as error:
            # An alias that is not there is an invalid parameter to the SQL store.
            absent = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
            if error.error_code in absent or ("alias" in str(error).lower() and "not found" in str(error).lower()):
                return None
            raise

    @cached_property
    def _client(self) -> MlflowClient:
        with self._quiet() as mlflow:
            return mlflow.MlflowClient(self.tracking_uri, self.registry_uri)

    @cached_property
    def _experiment(self) -> str:
        name = EXPERIMENT if self.is_local else f"/Shared/{EXPERIMENT}_{self._settings.environment}"
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        place = (self._settings.home / "mlflow-artifacts").as_uri() if self.is_local else None
        return str(self._client.create_experiment(name, artifact_location=place))

    @property
    def is_local(self) -> bool:
        return self.tracking_uri.startswith("sqlite:")

    @contextmanager
    def _quiet(self) -> Iterator[Any]:
        """MLflow, set to these stores, and keeping its progress and its advice to itself."""
        if self.is_local:
            self._settings.home.mkdir(parents=True, exist_ok=True)
        mlflow = _imported()
        for logger in ("mlflow", "alembic"):
            logging.getLogger(logger).setLevel(logging.WARNING)
        # MLflow asks a Spark session for the registry, where one was made, whether or not its server lives: so it is not asked for it.
        before = mlflow.get_tracking_uri(), os.environ.get(_REGISTRY)
        mlflow.set_tracking_uri(self.tracking_uri)
        mlflow.set_registry_uri(self.registry_uri)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # advice to those who write models
                yield mlflow
        finally:
            mlflow.set_tracking_uri(before[0])
            mlflow.set_registry_uri(before[1] or "")
            if before[1] is None:
                os.environ.pop(_REGISTRY, None)

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """What MLflow, its database or its storage raises becomes a ModelStoreError."""
        try:
            mlflow = _imported()
        except ImportError as error:
            raise ModelStoreError(f"cannot {what} the model store: {error}") from None
        try:
            yield
        except AlertingError:
            raise
        except Exception as error:
            # The SQL store lets errors of its database through, which is no library of ours.
            own = (mlflow.exceptions.MlflowException, OSError, ImportError)
            if not isinstance(error, own) and not type(error).__module__.startswith("sqlalchemy"):
                raise
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelStoreError(
                f"cannot {what} the model store at {_without_secrets(self.tracking_uri)}: {text}. Until it can, ranges run out and "
                "everything is told. ALERTING_MLFLOW_TRACKING_URI says where it is"
            ) from None


def _imported() -> Any:
    """MLflow, which decides while it is imported whether it tells its makers of our use of it: it does not, unless people set that."""
    for name, value in (("MLFLOW_DISABLE_TELEMETRY", "true"), ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")):
        os.environ.setdefault(name, value)
    import mlflow
    import mlflow.exceptions

    return mlflow


def loader(settings: Settings) -> Callable[[str], Served | None]:
    """What loads the version that `<registered model>@<alias>` stands for."""
    return ModelRegistry(settings).load


def uris(settings: Settings) -> tuple[str, str]:
    """The addresses of the tracking server and of the registry."""
    local = f"sqlite:///{settings.home / 'mlflow.db'}"
    on_databricks = settings.workspace == "databricks" and not settings.has_own_lakehouse
    tracking = settings.mlflow_tracking_uri or ("databricks" if on_databricks else local)
    registry = settings.mlflow_registry_uri or ("databricks-uc" if tracking == "databricks" else tracking)
    return tracking, registry


def _without_secrets(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if rest else uri
