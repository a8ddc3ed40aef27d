"""Config -> NetworkSpec: unrolls repeats, follows the widths, turns schemes into laws, reads given arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from varprobe.config.fields import FieldError, FieldPath, field_name
from varprobe.config.files import GivenArrays
from varprobe.config.parts import Part
from varprobe.config.records import Bias, Config, File
from varprobe.config.unroll import Slot, check_size, last_maps, unroll
from varprobe.errors import Place, VarprobeError
from varprobe.gaussian.expectations import forward_gain
from varprobe.network.activations import Activation, make_activation
from varprobe.network.initializers import INITIALIZERS, Context
from varprobe.network.laws import Constant, Law, Normal
from varprobe.network.spec import (
    Dense,
    Dropout,
    InputLaw,
    Join,
    Layer,
    NetworkSpec,
    Norm,
    Objective,
    Open,
    Pointwise,
    Settings,
    Step,
)

Lines = Callable[[FieldPath], int | None]


def build(config: Config, folder: Path, lines: Lines, name: str, place: Place) -> NetworkSpec:
    """The network that a checked config describes.

    Arguments:
        folder: where relative paths count from.
        lines: from an entry's path to its line in the file.
        name: what to call the network where the config does not say.
        place: the file, for messages.

    Raises:
        FieldError: what pydantic cannot see, with the path of the field.
    """
    check_size(config.layers, ("layers",))
    slots = list(unroll(config.layers, ("layers",), 0, ()))
    if not any(slot.entry.dense for slot in slots):
        raise FieldError(("layers",), "has no dense layer", "add one, for example `- dense: 256`")
    files = GivenArrays(folder)
    source = _input(config, files)
    steps = _Builder(config, files, lines).steps(slots)
    settings = _settings(config, source)
    if settings.batch == 1:
        for step in steps:
            if isinstance(step.layer, Norm) and step.layer.variant == "batch":
                hint = "raise probe.batch to 2 or more, or use layer norm"
                raise FieldError(("probe", "batch"), "batch norm needs more than one row, given a batch of 1", hint)
    return NetworkSpec(
        name=config.name or name,
        input=source,
        steps=steps,
        objective=_objective(config, files, settings.batch, steps[-1].fan_out),
        settings=settings,
        place=place,
    )


class _Builder:
    """Walks the slots once, carrying the width, the skips' widths and the activation that feeds the next layer."""

    def __init__(self, config: Config, files: GivenArrays, lines: Lines) -> None:
        self.config = config
        self.files = files
        self.lines = lines
        self.names: dict[str, int] = {}
        self.cache: dict[tuple[Any, ...], Dense] = {}
        self.places: dict[FieldPath, tuple[str, int | None]] = {}

    def steps(self, slots: list[Slot]) -> tuple[Step, ...]:
        width = self.config.input.features
        skips: list[int] = []
        self.feeding: Activation | None = None
        self.branches = sum(slot.edge is Open for slot in slots)
        last = last_maps(slots)
        self.seen_dense = False
        steps = []
        for position, slot in enumerate(slots):
            layer = self.layer(slot, width, last=position in last)
            fan_out = slot.entry.dense.width if slot.entry.dense else width
            if slot.edge is Open:
                skips.append(width)
            elif slot.edge is Join and skips.pop() != width:
                raise self.uneven_branch(slot, slots, width)
            steps.append(self.step(slot, layer, width, fan_out))
            width = fan_out
        return tuple(steps)

    def uneven_branch(self, slot: Slot, slots: list[Slot], width: int) -> FieldError:
        start = next(step for step in slots if step.path == slot.path)
        before = [other.entry.dense.width for other in slots[: slots.index(start)] if other.entry.dense]
        kept = before[-1] if before else self.config.input.features
        message = f"the branch turns width {kept} into {width}; a residual branch keeps the width"
        return FieldError(slot.path, message, f"give the branch's last dense layer width {kept}")

    def step(self, slot: Slot, layer: Layer, fan_in: int, fan_out: int) -> Step:
        self.names[layer.kind] = number = self.names.get(layer.kind, 0) + 1
        group = max(slot.copies, key=lambda copy: copy[2]) if slot.copies else None
        path, line = self.place(slot.path)
        return Step(
            layer=layer,
            name=slot.entry.name or f"{layer.kind}{number}",
            path=path,
            line=line,
            repeat_index=slot.copies[-1][1] if slot.copies else 1,
            group=(self.place(group[0])[0], group[1]) if group else None,
            fan_in=fan_in,
            fan_out=fan_out,
            trunk=slot.depth == 0,
        )

    def place(self, path: FieldPath) -> tuple[str, int | None]:
        """An entry's path as the report has it, and its line; the same for all its repeats."""
        if path not in self.places:
            self.places[path] = field_name(path), self.lines(path)
        return self.places[path]

    def layer(self, slot: Slot, width: int, *, last: bool) -> Layer:
        entry = slot.entry
        if slot.edge is Open:
            return Open()
        if slot.edge is Join and entry.residual:
            self.feeding = None
            return Join(entry.residual.scale)
        if entry.dense:
            dense = self.dense(slot, width, last=last)
            self.feeding, self.seen_dense = dense.activation, True
            return dense
        if entry.norm:
            self.feeding = None
            gamma, beta = (
                self.files.given(file, (width,), "(width,)", (*slot.path, "norm", part)) if file else None
                for part, file in (("gamma", entry.norm.gamma), ("beta", entry.norm.beta))
            )
            return Norm(entry.norm.kind, entry.norm.eps, gamma, beta)
        if entry.activation:
            self.feeding = _activation(entry.activation)
            return Pointwise(self.feeding, entry.activation.label)
        assert entry.dropout is not None
        return Dropout(entry.dropout)

    def dense(self, slot: Slot, fan_in: int, *, last: bool) -> Dense:
        model, defaults = slot.entry.dense, self.config.defaults
        assert model is not None
        feeding = self.feeding.label if self.feeding else None
        key = (slot.path, fan_in, self.seen_dense, last, feeding)
        if key not in self.cache:
            activation = model.activation or defaults.activation
            init, init_path = (
                (model.init, (*slot.path, "dense", "init")) if model.init else (defaults.init, ("defaults", "init"))
            )
            context = Context(fan_in, model.width, not self.seen_dense, last, self.branches)
            weights, own_bias = self.weights(init, context, init_path)
            bias, bias_path = (
                (model.bias, (*slot.path, "dense", "bias")) if model.bias else (defaults.bias, ("defaults", "bias"))
            )
            self.cache[key] = Dense(
                weights,
                self.bias(bias, model.width, bias_path) if bias else own_bias,
                _activation(activation),
                activation.label,
                init.label,
            )
        return self.cache[key]

    def weights(self, init: Part, context: Context, path: FieldPath) -> tuple[Law, Law]:
        """The law of the weights, and of the scheme's own bias."""
        if init.name == "file":
            shape = (context.fan_out, context.fan_in)
            file = File(path=init.arguments["path"], key=init.arguments["key"])
            return self.files.given(file, shape, "(fan_out, fan_in)", path), Constant(0.0)
        kind = INITIALIZERS[init.name]
        arguments = dict(init.arguments)
        try:
            if arguments.get("gain") == "auto":
                arguments["gain"] = forward_gain(self.feeding) if self.feeding else 1.0
            bias = kind.bias(context, **arguments) if kind.bias else Constant(0.0)
            return kind.build(context, **arguments), bias
        except VarprobeError as error:
            raise FieldError(path, error.message, error.hint) from None

    def bias(self, bias: Bias, width: int, path: FieldPath) -> Law:
        if bias.path is not None:
            return self.files.given(File(path=bias.path, key=bias.key), (width,), "(width,)", path)
        return Normal(bias.std) if bias.std is not None else Constant(bias.value or 0.0)


def _activation(part: Part) -> Activation:
    return make_activation(part.name, **part.arguments)


def _input(config: Config, files: GivenArrays) -> InputLaw:
    model = config.input
    rows = None
    if model.path is not None:
        rows = files.given(File(path=model.path), (None, model.features), "(rows, features)", ("input", "path")).values
    return InputLaw(model.features, model.distribution, model.mean, model.std, rows)


def _settings(config: Config, source: InputLaw) -> Settings:
    probe = config.probe
    batch = probe.batch or 128
    if source.rows is not None:
        batch = len(source.rows)
        if probe.batch not in (None, batch):
            message = f"the input file has {batch} rows, and these are the batch; given {probe.batch}"
            raise FieldError(("probe", "batch"), message, "remove probe.batch, or save as many rows as it says")
    return Settings(batch, probe.trials, probe.seed, probe.dtype, probe.engine)


def _objective(config: Config, files: GivenArrays, batch: int, width: int) -> Objective:
    gradient = config.probe.gradient
    if gradient.path is None:
        return Objective(gradient.name)
    path = ("probe", "gradient", "path")
    return Objective(
        gradient.name, files.given(File(path=gradient.path), (batch, width), "(batch, width)", path).values
    )
