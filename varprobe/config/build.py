"""Config -> NetworkSpec: unrolls repeats, follows the widths, turns schemes into laws, reads given arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from varprobe.config.data import read_batch, read_objective
from varprobe.config.fields import FieldError, FieldPath, Mistakes, field_name
from varprobe.config.files import GivenArrays
from varprobe.config.parts import Part
from varprobe.config.records import Bias, Config, Defaults, File
from varprobe.config.unroll import Slot, check_heads, check_size, last_maps, unroll
from varprobe.errors import Place, VarprobeError
from varprobe.frozen import dataclass
from varprobe.gaussian.expectations import forward_gain
from varprobe.network.activations import Activation, make_activation
from varprobe.network.initializers import INITIALIZERS, Context
from varprobe.network.laws import Constant, FromFile, Law, Normal
from varprobe.network.layer_kinds import LAYER_KINDS, Fields, LayerKind
from varprobe.network.layers import Dense, Layer
from varprobe.network.spec import SATURATED_ABOVE, InputLaw, NetworkSpec, Settings, Step

Lines = Callable[[FieldPath], int | None]


def build(config: Config, folder: Path, lines: Lines, name: str, place: Place) -> NetworkSpec:
    """The network that a checked config describes.

    Arguments:
        folder: where relative paths count from.
        lines: from an entry's path to its line in the file.
        name: what to call the network where the config does not say.
        place: the file, for messages.

    Raises:
        FieldError, SeveralFieldsError: what pydantic cannot see, with the paths of the fields.
    """
    check_size(config.layers, ("layers",))
    slots = list(unroll(config.layers, ("layers",), 0, ()))
    if not any(slot.has_weights for slot in slots):
        raise FieldError(("layers",), "has no dense layer", "add one, for example `- dense: 256`")
    mistakes, files = Mistakes(), GivenArrays(folder)
    with mistakes.gathered():
        check_heads(slots)
    source = settings = objective = None
    with mistakes.gathered():
        source = read_batch(config.input, files)
    steps = _Builder(config, files, lines, slots, mistakes).steps()
    with mistakes.gathered():
        settings = _settings(config, source.law if source else None, steps)
    with mistakes.gathered():
        objective = read_objective(
            config, files, source.labels if source else None, settings.batch if settings else None, steps[-1].fan_out
        )
    mistakes.tell()
    assert source
    assert settings
    assert objective
    return NetworkSpec(
        name=config.name or name,
        input=source.law,
        steps=steps,
        objective=objective,
        settings=settings,
        place=place,
        saturated_above=config.expect.saturated.above if config.expect and config.expect.saturated else SATURATED_ABOVE,
    )


class _Builder:
    """Walks the slots once, carrying the width, the skips' widths and the activation that feeds the next layer."""

    def __init__(self, config: Config, files: GivenArrays, lines: Lines, slots: list[Slot], mistakes: Mistakes) -> None:
        self.mistakes = mistakes
        self.config = config
        self.files = files
        self.lines = lines
        self.slots = slots
        self.names: dict[str, int] = {}
        self.cache: dict[tuple[Any, ...], Layer] = {}
        self.places: dict[FieldPath, tuple[str, int | None]] = {}
        self.branches = sum(slot.edge is not None and slot.edge.opens for slot in slots)
        self.feeding: Activation | None = None
        self.seen_weights = False

    def steps(self) -> tuple[Step, ...]:
        width = self.config.input.features
        skips: list[int] = []
        last = last_maps(self.slots)
        steps: list[Step] = []
        for position, slot in enumerate(self.slots):
            layer = slot.edge or self.layer(slot, width, last=position in last)
            if layer.opens:
                skips.append(width)
            elif layer.joins:
                kept = skips.pop()
                with self.mistakes.gathered():
                    _check_even(slot, kept, width)
                width = kept
            if layer.variant or layer.joins:
                self.feeding = None
            self.feeding = layer.activation or self.feeding
            self.seen_weights |= layer.weights is not None
            steps.append(self.step(slot, layer, width))
            width = steps[-1].fan_out
        return tuple(steps)

    def step(self, slot: Slot, layer: Layer, fan_in: int) -> Step:
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
            fan_out=layer.fan_out or fan_in,
            trunk=slot.depth == 0,
            role=slot.entry.role,
        )

    def place(self, path: FieldPath) -> tuple[str, int | None]:
        """An entry's path as the report has it, and its line; the same for all its repeats."""
        if path not in self.places:
            self.places[path] = field_name(path), self.lines(path)
        return self.places[path]

    def layer(self, slot: Slot, width: int, *, last: bool) -> Layer:
        """The layer of an entry; copies that stand alike share it."""
        key = (slot.path, width, self.seen_weights, last, self.feeding and self.feeding.label)
        if key not in self.cache:
            kind = LAYER_KINDS[slot.entry.kind]
            assert isinstance(kind, LayerKind)
            context = Context(width, width, not self.seen_weights, last, self.branches)
            site = _Site(self.config.defaults, self.files, (*slot.path, slot.entry.kind), context, self.feeding)
            value = slot.entry.value
            self.cache[key] = _stand_in(value)
            with self.mistakes.gathered():
                self.cache[key] = kind.make(site, **value) if isinstance(kind.takes, Fields) else kind.make(site, value)
        return self.cache[key]


def _stand_in(value: Any) -> Dense:
    """What stands for a layer that could not be made, so that the layers behind it can be looked at."""
    width = value.get("width") if isinstance(value, dict) else None
    return Dense(width, Constant(0.0), Constant(0.0), make_activation("linear"), "linear", "")  # type: ignore[arg-type]


def _check_even(slot: Slot, kept: int, width: int) -> None:
    if kept != width:
        message = f"the branch turns width {kept} into {width}; a residual branch keeps the width"
        raise FieldError(slot.path, message, f"give the branch's last dense layer width {kept}")


@dataclass(frozen=True)
class _Site:
    """Where one layer is made; see `network.layer_kinds.Site`.

    Attributes:
        path: the entry's, with the word of its kind.
        context: of weights here that keep the width.
        feeding: the activation that the signal comes from, None where it is not known.
    """

    defaults: Defaults
    files: GivenArrays
    path: FieldPath
    context: Context
    feeding: Activation | None

    def activation(self, part: Part | None) -> tuple[Activation, str]:
        part = part or self.defaults.activation
        return make_activation(part.name, **part.arguments), part.label

    def weights(self, part: Part | None, fan_out: int) -> tuple[Law, Law, str]:
        path = (*self.path, "init") if part else ("defaults", "init")
        part = part or self.defaults.init
        return *self._laws(part, fan_out, path), part.label

    def _laws(self, part: Part, fan_out: int, path: FieldPath) -> tuple[Law, Law]:
        """Of the weights, and of the scheme's own bias."""
        if part.name == "file":
            file = File(path=part.arguments["path"], key=part.arguments["key"])
            return self.files.given(file, (fan_out, self.context.fan_in), "(fan_out, fan_in)", path), Constant(0.0)
        kind, context = INITIALIZERS[part.name], replace(self.context, fan_out=fan_out)
        arguments = dict(part.arguments)
        try:
            if arguments.get("gain") == "auto":
                arguments["gain"] = forward_gain(self.feeding) if self.feeding else 1.0
            bias = kind.bias(context, **arguments) if kind.bias else Constant(0.0)
            return kind.build(context, **arguments), bias
        except VarprobeError as error:
            raise FieldError(path, error.message, error.hint) from None

    def bias(self, bias: Bias | None, fan_out: int) -> Law | None:
        path = (*self.path, "bias") if bias else ("defaults", "bias")
        bias = bias or self.defaults.bias
        if bias is None:
            return None
        if bias.path is not None:
            return self.files.given(File(path=bias.path, key=bias.key), (fan_out,), "(width,)", path)
        return Normal(bias.std) if bias.std is not None else Constant(bias.value or 0.0)

    def vector(self, file: File | None, key: str) -> FromFile | None:
        return self.files.given(file, (self.context.fan_in,), "(width,)", (*self.path, key)) if file else None


def _settings(config: Config, source: InputLaw | None, steps: tuple[Step, ...]) -> Settings:
    probe = config.probe
    batch = probe.batch or 128
    if source is not None and source.rows is not None:
        batch = len(source.rows)
        if probe.batch not in (None, batch):
            message = f"the input file has {batch} rows, and these are the batch; given {probe.batch}"
            raise FieldError(("probe", "batch"), message, "remove probe.batch, or save as many rows as it says")
    if batch == 1 and any(step.layer.variant == "batch" for step in steps):
        hint = "raise probe.batch to 2 or more, or use layer norm"
        raise FieldError(("probe", "batch"), "batch norm needs more than one row, given a batch of 1", hint)
    return Settings(batch, probe.trials, probe.seed, probe.dtype, probe.engine)
