"""The sweep configuration: one schema for the file, ``--set`` and Python, validated once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ..datasets.errors import InputError, nearest
from ..datasets.locations import Location
from ..datasets.samplers import SAMPLER, SamplerSpec
from ..datasets.user_code import Role, find_module, names_code, split_reference
from ..results.objective import METRIC, MetricSpec
from ..results.run_directory import real
from ..trainables.builder import BUILDER, is_builder
from ..trainables.family import MLP, FamilySpec
from ..trainables.mlp import HYPERPARAMETERS, MLPConfig
from .raw_config import as_list, read_yaml
from .searcher_protocol import SEARCHER
from .sections import (
    RUN_NAME,
    CrossValidationConfig,
    DataConfig,
    DecisionConfig,
    EnsembleConfig,
    FilePath,
    Place,
    PreprocessingConfig,
    ResourcesConfig,
    SearchConfig,
    Section,
    SplitConfig,
    TrainingConfig,
)
from .space import AnyDomain, Scalar, kind_of, parse_domain
from .validation_messages import first_problem
from .view_list import ViewList, check_views

_DEFAULT_SPACE: dict[str, Any] = {
    "num_layers": {"int": [2, 5]},
    "hidden_layer_size": {"int": [16, 128], "step": 16},
    "activation": {"choice": ["relu", "tanh", "selu"]},
    "dropout_rate": {"float": [0.0, 0.5], "step": 0.05},
    "l2_strength": {"float": [1e-5, 1e-2], "log": True},
    "learning_rate": {"float": [1e-4, 1e-2], "log": True},
    "embedding": {"choice": ["none", "periodic"]},
    "embedding_scale": {"float": [0.1, 1.0], "log": True},
}
_DEFAULT_BASELINE: dict[str, Scalar] = {
    "num_layers": 2,
    "hidden_layer_size": 64,
    "activation": "relu",
    "learning_rate": 0.001,
}

_TRAINING_HYPERPARAMETERS = {"batch_size", "learning_rate"}
"""Names that mean the same for every family."""

_Domain = Annotated[SerializeAsAny[AnyDomain], BeforeValidator(parse_domain)]


_Folders = Annotated[tuple[FilePath, ...], BeforeValidator(as_list)]
"""One folder, or a list of them."""


class SweepConfig(Section):
    """A whole sweep; ``SweepConfig()`` sweeps the embedded demonstration data.

    Its fields are the keys of a sweep file, validated once and frozen.
    """

    name: str = Field(default="demonstration", pattern=f"^{RUN_NAME}$")
    """What runs are called, before their time."""
    data: DataConfig = DataConfig()
    protocol: Literal["holdout", "balanced_first", "presplit"] = "holdout"
    """Which rows are fitted on, chosen by and judged."""
    split: SplitConfig = SplitConfig()
    preprocessing: PreprocessingConfig = PreprocessingConfig()
    views: ViewList = Field(default=("undersampled", "smote"), validate_default=True)
    """Balanced forms of the training rows that are searched side by side."""
    trainable: str = "mlp"
    """`mlp`, or `module:function` for Keras models of your own."""
    module_folder: _Folders = ()
    """Where modules of your own are, one folder or several; none looks beside the sweep file."""
    space: dict[str, _Domain] = Field(default=_DEFAULT_SPACE, validate_default=True, min_length=1)
    """Hyperparameters, and what each is drawn from."""
    baseline: dict[str, Scalar] = _DEFAULT_BASELINE
    """The configuration that every view is first trained with, to compare with."""
    training: TrainingConfig = TrainingConfig()
    search: SearchConfig = SearchConfig()
    cross_validation: CrossValidationConfig = CrossValidationConfig()
    ensemble: EnsembleConfig = EnsembleConfig()
    decision: DecisionConfig = DecisionConfig()
    resources: ResourcesConfig = ResourcesConfig()
    storage: Place = Path("runs")
    """The folder that holds the runs: a path, or a URI such as s3://bucket/runs."""
    seed: int = Field(default=0, ge=0, le=2**32 - 1)  # what scikit-learn takes
    """Of everything that is drawn."""

    @model_validator(mode="before")
    @classmethod
    def _take_views_of_arrays(cls, raw: Any) -> Any:
        """Arrays bring their views, their split, and columns that are ready."""
        data = raw.get("data") if isinstance(raw, dict) else None
        if not (isinstance(data, dict) and isinstance(data.get("arrays"), dict)):
            return raw
        given = raw.get("preprocessing", {})
        if isinstance(given, dict):
            ready = {"long_tails": False, "indicators": False, "standardised": False}
            raw = {**raw, "preprocessing": {**ready, **given}}
        return {"protocol": "presplit", "views": list(data["arrays"]), **raw}

    @field_validator("trainable")
    @classmethod
    def _know_trainable(cls, trainable: str) -> str:
        if trainable != MLP.trainable:
            split_reference(BUILDER, trainable)
        return trainable

    @field_validator("views")
    @classmethod
    def _know_views(
        cls, views: dict[str, SamplerSpec], info: ValidationInfo
    ) -> dict[str, SamplerSpec]:
        check_views(views, getattr(info.data.get("data"), "arrays", None))
        return views

    @field_validator("space", "baseline")
    @classmethod
    def _know_hyperparameters(cls, values: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        for name in values:
            if name not in HYPERPARAMETERS and info.data.get("trainable") == "mlp":
                hint = nearest(name, HYPERPARAMETERS)
                raise ValueError(f"the mlp has no hyperparameter '{name}'{hint}")
        return values

    @model_validator(mode="after")
    def _split_once(self) -> Self:
        if (self.protocol == "presplit") != (self.data.arrays is not None):
            raise ValueError(
                "protocol: 'presplit' is for data.arrays, whose rows are split already, and for "
                "nothing else; leave it out"
            )
        if self.protocol != "holdout" and not self.split.test:
            raise ValueError(
                f"split.test: 0 goes with the protocol 'holdout', and not with '{self.protocol}'; "
                "leave it out"
            )
        return self

    @model_validator(mode="after")
    def _require_space(self) -> Self:
        if not is_builder(self.trainable):
            return self
        if self.to_mapping()["space"] == _DEFAULT_SPACE:
            raise ValueError(
                f"space must be given with the trainable '{self.trainable}', since only you know "
                "its hyperparameters; write such as 'space: {units: {int: [16, 64]}}'"
            )
        known = {*self.space, *_TRAINING_HYPERPARAMETERS}
        for name in self.baseline_configuration:
            if name not in known:
                hint = nearest(name, known)
                raise ValueError(f"baseline: the space has no hyperparameter '{name}'{hint}")
        return self

    @model_validator(mode="after")
    def _try_extreme_configurations(self) -> Self:
        # Any value outside a hyperparameter's range is an extreme of its domain.
        for name, domain in self.space.items():
            for value in domain.choice if hasattr(domain, "choice") else domain.bounds:
                self._try_value("space", name, value)
        for name, value in self.baseline_configuration.items():
            self._try_value("baseline", name, value)
            if name in self.space and kind_of(value) != kind_of(self.space[name].middle()):
                kind = kind_of(self.space[name].middle())
                raise ValueError(f"baseline.{name} must be {kind} as in the space, got {value!r}")
        return self

    def _try_value(self, section: str, name: str, value: Scalar) -> None:
        if not is_builder(self.trainable) or name in _TRAINING_HYPERPARAMETERS:
            _try_value(f"{section}.{name}", name, value)

    @property
    def baseline_configuration(self) -> dict[str, Scalar]:
        """The baseline's hyperparameters; a builder's are the middle of the space where not given.

        The middle of a range (on its scale), and the first of a choice.
        """
        if not is_builder(self.trainable):
            return dict(self.baseline)
        given = {} if self.baseline == _DEFAULT_BASELINE else self.baseline
        return {name: domain.middle() for name, domain in self.space.items()} | given

    @property
    def family(self) -> FamilySpec:
        """What the trials train.

        Raises:
            InputError: The builder's module is nowhere.
        """
        return FamilySpec(self.trainable, self._folder(BUILDER, self.trainable))

    @property
    def samplers(self) -> dict[str, SamplerSpec]:
        """How each view balances, by its name.

        Raises:
            InputError: A sampler's module is nowhere.
        """
        return {
            view: replace(spec, module_folder=self._folder(SAMPLER, spec.sampler))
            for view, spec in self.views.items()
        }

    @property
    def metric(self) -> MetricSpec | None:
        """What trials are compared by and the ensemble is selected by; None stands for the loss.

        Raises:
            InputError: Its module is nowhere.
        """
        name, mode = self.search.metric, self.search.direction
        return None if mode is None else MetricSpec(name, mode, self._folder(METRIC, name))

    @property
    def searcher_folder(self) -> str | None:
        """Where the module of a user's searcher is; None for one that is built in.

        Raises:
            InputError: It is nowhere.
        """
        return self._folder(SEARCHER, self.search.searcher)

    @property
    def worker_modules(self) -> dict[str, str]:
        """The top-level modules of a user's code that workers import, and their folders.

        Raises:
            InputError: One is nowhere.
        """
        code = [(self.trainable, self.family.module_folder)]
        code += [(spec.sampler, spec.module_folder) for spec in self.samplers.values()]
        code += [(self.metric.name, self.metric.module_folder)] if self.metric is not None else []
        return {_top_level(reference): folder for reference, folder in code if folder is not None}

    @property
    def modules(self) -> dict[str, str]:
        """All top-level modules of a user's code, and their folders.

        Raises:
            InputError: One is nowhere.
        """
        searcher, folder = self.search.searcher, self.searcher_folder
        of_driver = {} if folder is None else {_top_level(searcher): folder}
        return self.worker_modules | of_driver

    def _folder(self, role: Role, reference: str) -> str | None:
        """Where the module of a user's code is; None for what is built in."""
        if not names_code(reference):
            return None
        return find_module(role, reference, self.module_folder)

    def resolved(self) -> SweepConfig:
        """The configuration with what it finds on this machine filled in, to be found again.

        Raises:
            InputError: A module that it names is nowhere.
        """
        path, arrays = self.data.path, self.data.arrays
        sources = {
            "path": path and path.resolve(),
            "arrays": arrays and {view: file.resolve() for view, file in arrays.items()},
        }
        storage = self.storage if isinstance(self.storage, Location) else real(self.storage)
        return self.model_copy(
            update={
                "storage": storage,
                "module_folder": tuple(map(Path, dict.fromkeys(self.modules.values()))),
                "data": self.data.model_copy(update=sources),
            }
        )

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any], source: str) -> SweepConfig:
        """Validates a raw configuration.

        Args:
            raw: Nested keys and values, as YAML gives them.
            source: Where it came from, named in errors.

        Raises:
            InputError: A key is unknown (the message names the nearest) or a value is unfit.
        """
        try:
            return cls.model_validate(dict(raw))
        except ValidationError as error:
            raise InputError(f"{source}: {first_problem(error, cls, raw)}") from error

    @classmethod
    def from_yaml(cls, path: Path | Location) -> SweepConfig:
        """Reads and validates a sweep file; relative paths of inputs are taken from its folder.

        Raises:
            InputError: The file is missing or is no YAML mapping, or as for :meth:`from_mapping`.
        """
        return cls.from_mapping(read_yaml(path), str(path))

    def to_mapping(self) -> dict[str, Any]:
        """The configuration with every default filled in, as :meth:`from_mapping` reads it."""
        mapping = self.model_dump(mode="json", by_alias=True)
        return mapping | {"baseline": self.baseline_configuration}

    def to_yaml(self) -> str:
        """The configuration with every default filled in, as :meth:`from_yaml` reads it."""
        return yaml.safe_dump(self.to_mapping(), sort_keys=False)


def _top_level(reference: str) -> str:
    return reference.partition(":")[0].partition(".")[0]


def _try_value(where: str, name: str, value: Scalar) -> None:
    kind: Any = next(field.type for field in fields(MLPConfig) if field.name == name)
    if kind is float and isinstance(value, str):
        # YAML takes 1e-3 for text.
        raise ValueError(f"{where} must be a number such as 0.001 or 1.0e-3, got {value!r}")
    if type(value) is not kind and not (kind is float and type(value) is int):
        needed = {"int": "a whole number", "float": "a number", "str": "text"}
        raise ValueError(f"{where} must be {needed[kind.__name__]}, got {value!r}")
    try:
        MLPConfig.from_mapping({name: value})
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
