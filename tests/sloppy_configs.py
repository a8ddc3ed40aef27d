"""Configs as people in a hurry, users of other libraries and language models write them, and what each is told.

A table: add a row for what you have seen somebody write. `test_sloppy_configs.py` runs them all.
"""

from __future__ import annotations

from typing import NamedTuple


class Sloppy(NamedTuple):
    """A text, where its mistake is (line:column), the field's path (empty in what is no YAML), and the way out."""

    text: str
    place: str
    field: str
    way_out: str


SLOPPY = {
    "in_features": Sloppy(
        "input: {in_features: 8}\nlayers: [{dense: 8}]\n", "1:9", "input.in_features", "did you mean 'features'?"
    ),
    "input-shape": Sloppy("input_shape: [8]\nlayers: [{dense: 8}]\n", "1:1", "input_shape", "did you mean 'input'?"),
    "input-number": Sloppy(
        "input: 784\nlayers: [{dense: 8}]\n", "1:8", "input", "write it as in `input: {features: 784}`"
    ),
    "input-dim": Sloppy("input: {dim: 8}\nlayers: [{dense: 8}]\n", "1:9", "input.dim", "did you mean 'features'?"),
    "units": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: {units: 64, activation: relu}\n",
        "3:13",
        "layers[0].dense.units",
        "did you mean 'width'?",
    ),
    "out-features": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: {in_features: 8, out_features: 64}\n",
        "3:29",
        "layers[0].dense.out_features",
        "did you mean 'width'?",
    ),
    "linear-layer": Sloppy(
        "input: {features: 8}\nlayers:\n  - Linear: 64\n", "3:5", "layers[0].Linear", "did you mean 'dense'?"
    ),
    "dense-capital": Sloppy(
        "input: {features: 8}\nlayers:\n  - Dense: 64\n", "3:5", "layers[0].Dense", "did you mean 'dense'?"
    ),
    "type-dense": Sloppy(
        "input: {features: 8}\nlayers:\n  - type: dense\n    units: 64\n",
        "3:5",
        "layers[0].type",
        "the kind is the key, as in `- dense: 256`",
    ),
    "kernel-initializer": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: {width: 8, kernel_initializer: he_normal}\n",
        "3:23",
        "layers[0].dense.kernel_initializer",
        "did you mean 'init'?",
    ),
    "weight-init": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: {width: 8, weight_init: he}\n",
        "3:23",
        "layers[0].dense.weight_init",
        "did you mean 'init'?",
    ),
    "he-normal": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: {width: 8, init: he_normal}\n",
        "3:29",
        "layers[0].dense.init",
        "did you mean 'jax.he_normal'?",
    ),
    "kaiming-uniform": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: {width: 8, init: kaiming_uniform_}\n",
        "3:29",
        "layers[0].dense.init",
        "did you mean 'torch.kaiming_uniform'?",
    ),
    "glorot-typo": Sloppy(
        "input: {features: 8}\ndefaults: {init: golrot}\nlayers: [{dense: 8}]\n",
        "2:18",
        "defaults.init",
        "did you mean 'glorot'?",
    ),
    "nn-relu": Sloppy(
        "input: {features: 8}\ndefaults: {activation: nn.ReLU}\nlayers: [{dense: 8}]\n",
        "2:24",
        "defaults.activation",
        "did you mean 'relu'?",
    ),
    "relu-call": Sloppy(
        "input: {features: 8}\ndefaults: {activation: nn.ReLU()}\nlayers: [{dense: 8}]\n",
        "2:24",
        "defaults.activation",
        "did you mean 'relu'?",
    ),
    "leaky-alpha": Sloppy(
        (
            "input: {features: 8}\n"
            "defaults: {activation: {name: leaky_relu, negative_slope: 0.2}}\n"
            "layers: [{dense: 8}]\n"
        ),
        "2:43",
        "defaults.activation.negative_slope",
        "did you mean 'slope'?",
    ),
    "softmax": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: {width: 10, activation: softmax}\n",
        "3:36",
        "layers[0].dense.activation",
        "write linear, and probe.gradient: cross_entropy, whose loss has the softmax",
    ),
    "batchnorm-layer": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: 8\n  - batchnorm\n",
        "4:5",
        "layers[1]",
        "did you mean `- norm: batch`?",
    ),
    "batchnorm-key": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: 8\n  - BatchNorm1d: 8\n",
        "4:5",
        "layers[1].BatchNorm1d",
        "did you mean 'norm'?",
    ),
    "norm-batchnorm": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: 8\n  - norm: batchnorm\n",
        "4:11",
        "layers[1].norm.kind",
        "did you mean 'batch'?",
    ),
    "norm-true": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: 8\n  - norm: true\n",
        "4:11",
        "layers[1].norm.kind",
        "choose one of them",
    ),
    "dropout-percent": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: 8\n  - dropout: 50\n",
        "4:14",
        "layers[1].dropout.rate",
        "it is a share: 50 % is 0.5",
    ),
    "dropout-sign": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: 8\n  - dropout: 50%\n", "4:14", "layers[1].dropout.rate", "write 0.5"
    ),
    "dropout-p": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: 8\n  - dropout: {p: 0.5}\n",
        "4:15",
        "layers[1].dropout.p",
        "did you mean 'rate'?",
    ),
    "dropout-in-dense": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: {width: 8, dropout: 0.1}\n",
        "3:23",
        "layers[0].dense.dropout",
        "write it as an entry of its own, as in `- dropout: 0.1`",
    ),
    "use-bias": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: {width: 8, use_bias: false}\n",
        "3:23",
        "layers[0].dense.use_bias",
        "did you mean 'bias'?",
    ),
    "bias-false": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: {width: 8, bias: false}\n",
        "3:29",
        "layers[0].dense.bias.value",
        "write it as in `bias: 0`",
    ),
    "bias-yes": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: {width: 8, bias: yes}\n",
        "3:29",
        "layers[0].dense.bias.value",
        "write it as in `bias: 0`",
    ),
    "conv": Sloppy(
        "input: {features: 8}\nlayers:\n  - conv2d: {filters: 32, kernel_size: 3}\n",
        "3:5",
        "layers[0].conv2d",
        "layers here are dense, as in `- dense: 256`",
    ),
    "flatten": Sloppy(
        "input: {features: 8}\nlayers:\n  - flatten\n  - dense: 8\n",
        "3:5",
        "layers[0]",
        "leave it out: the batch has rows of `input.features` numbers",
    ),
    "hidden-layers": Sloppy(
        "input: {features: 8}\nhidden_layers: [8, 8]\n", "2:1", "hidden_layers", "did you mean 'layers'?"
    ),
    "layers-number": Sloppy(
        "input: {features: 8}\nlayers: 3\n",
        "2:9",
        "layers",
        "write it as in `layers: [{dense: 256, repeat: 4}, {dense: 10}]`",
    ),
    "layers-mapping": Sloppy(
        "input: {features: 8}\nlayers:\n  dense: 8\n",
        "3:3",
        "layers",
        "write it as in `layers: [{dense: 256, repeat: 4}, {dense: 10}]`",
    ),
    "layers-named-mapping": Sloppy(
        "input: {features: 8}\nlayers:\n  fc1: {dense: 8}\n  fc2: {dense: 8}\n",
        "3:3",
        "layers",
        "write it as in `layers: [{dense: 256, repeat: 4}, {dense: 10}]`",
    ),
    "layers-empty": Sloppy(
        "input: {features: 8}\nlayers: []\n",
        "2:9",
        "layers",
        "name at least one, as in `layers: [{dense: 256, repeat: 4}, {dense: 10}]`",
    ),
    "layers-nothing": Sloppy(
        "input: {features: 8}\nlayers:\n",
        "2:1",
        "layers",
        "write it as in `layers: [{dense: 256, repeat: 4}, {dense: 10}]`",
    ),
    "residual-list": Sloppy(
        "input: {features: 8}\nlayers:\n  - residual:\n      - dense: 8\n      - dense: 8\n",
        "4:7",
        "layers[0].residual",
        "write it as in `residual: {layers: [{dense: 256}]}`",
    ),
    "residual-width": Sloppy(
        "input: {features: 8}\nlayers:\n  - residual: {layers: [16]}\n",
        "3:5",
        "layers[0]",
        "give the branch's last dense layer width 8",
    ),
    "skip-true": Sloppy(
        "input: {features: 8}\nlayers:\n  - residual: {skip: true, layers: [8]}\n",
        "3:22",
        "layers[0].residual.skip",
        "write it as in `skip: 1`",
    ),
    "two-in-one": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: 8\n    activation: relu\n",
        "4:17",
        "layers[0].activation",
        "write them as two entries",
    ),
    "no-list-dash": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: 8\n  dense: 8\n",
        "4:3",
        "",
        "begin every entry of the list with `- `, and indent alike what stands side by side",
    ),
    "negative-width": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: -8\n",
        "3:12",
        "layers[0].dense.width",
        "write a number that is at least 1",
    ),
    "zero-repeat": Sloppy(
        "input: {features: 8}\nlayers:\n  - {dense: 8, repeat: 0}\n",
        "3:24",
        "layers[0].repeat",
        "write a number that is at least 1",
    ),
    "fraction": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: 8.5\n",
        "3:12",
        "layers[0].dense.width",
        "write it as in `width: 256`",
    ),
    "quoted": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: '8'\n",
        "3:12",
        "layers[0].dense.width",
        "write 8, a number without quotes",
    ),
    "quoted-small": Sloppy(
        "input: {features: 8}\ndefaults: {init: {name: normal, std: '1e-3'}}\nlayers: [{dense: 8}]\n",
        "2:38",
        "defaults.init.std",
        "write 1e-3, a number without quotes",
    ),
    "thousands": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: 1,024\n",
        "3:12",
        "layers[0].dense.width",
        "write 1024, without commas",
    ),
    "underscore": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: 1_024\n",
        "3:12",
        "layers[0].dense.width",
        "write 1024, without underscores",
    ),
    "times": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: 4x64\n",
        "3:12",
        "layers[0].dense.width",
        "write it as in `width: 256`",
    ),
    "nan-std": Sloppy(
        "input: {features: 8, std: nan}\nlayers: [{dense: 8}]\n", "1:27", "input.std", "write a finite number"
    ),
    "yaml-nan": Sloppy(
        "input: {features: 8, std: .nan}\nlayers: [{dense: 8}]\n", "1:27", "input.std", "write it as in `std: 0.02`"
    ),
    "inf-std": Sloppy(
        "input: {features: 8, std: inf}\nlayers: [{dense: 8}]\n", "1:27", "input.std", "write a finite number"
    ),
    "unknown-name": Sloppy(
        "constants: {width: 8}\ninput: {features: 8}\nlayers:\n  - dense: 4*widht\n",
        "4:12",
        "layers[0].dense.width",
        "did you mean 'width'? arithmetic knows + - * / **, sqrt(x), pi, e, parentheses, and names from `constants`",
    ),
    "call": Sloppy(
        "input: {features: 8}\ndefaults: {init: {name: normal, std: np.sqrt(2/8)}}\nlayers: [{dense: 8}]\n",
        "2:38",
        "defaults.init.std",
        "arithmetic knows + - * / **, sqrt(x), pi, e, parentheses, and names from `constants`",
    ),
    "divide-zero": Sloppy(
        "input: {features: 8}\ndefaults: {init: {name: normal, std: 1/0}}\nlayers: [{dense: 8}]\n",
        "2:38",
        "defaults.init.std",
        "write another divisor",
    ),
    "caret": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: 2^8\n", "3:12", "layers[0].dense.width", "write ** for a power"
    ),
    "open-bracket": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: 2*(3+4\n", "3:12", "layers[0].dense.width", "write as many ) as ("
    ),
    "tab": Sloppy(
        "input:\n\tfeatures: 8\nlayers: [{dense: 8}]\n", "2:1", "", "YAML indents with spaces; replace the tab"
    ),
    "unclosed-quote": Sloppy(
        "name: 'net\ninput: {features: 8}\nlayers: [{dense: 8}]\n", "1:7", "", "close the quote that begins here"
    ),
    "unclosed-brace": Sloppy(
        "input: {features: 8\nlayers: [{dense: 8}]\n",
        "2:7",
        "",
        "close the { on line 1, or write a comma between its entries; comments begin with #",
    ),
    "wrong-indentation": Sloppy(
        "input:\n  features: 8\n   std: 1\nlayers: [{dense: 8}]\n",
        "3:7",
        "",
        "indent alike the keys that stand side by side, and put text with a colon in quotes",
    ),
    "no-space": Sloppy(
        "input: {features:8}\nlayers: [{dense: 8}]\n",
        "1:9",
        "input.features:8",
        "write a space behind the colon: `features: 8`",
    ),
    "unicode-quotes": Sloppy(
        "input: {features: 8}\ndefaults: {activation: “relu”}\nlayers: [{dense: 8}]\n",
        "2:24",
        "defaults.activation",
        "did you mean 'relu'?",
    ),
    "duplicate": Sloppy(
        "input: {features: 8}\nlayers: [{dense: 8}]\nlayers: [{dense: 9}]\n",
        "3:1",
        "",
        "it stands first on line 2; remove one",
    ),
    "python-tag": Sloppy(
        "input: {features: 8}\nlayers: !!python/tuple [8, 8]\n", "2:9", "", "remove the tag; quote what is text"
    ),
    "two-documents": Sloppy(
        "input: {features: 8}\nlayers: [{dense: 8}]\n---\ninput: {features: 8}\nlayers: [{dense: 8}]\n",
        "3:1",
        "",
        "a config is one document; remove the '---'",
    ),
    "list-at-top": Sloppy(
        "- input: 8\n- dense: 8\n", "1:1", "", "begin with `input:` and `layers:`; `varprobe new` writes an example"
    ),
    "json-comment": Sloppy(
        ('{"input": {"features": 8}, // comment\n "layers": [8]}\n'),
        "2:10",
        "",
        "close the { on line 1, or write a comma between its entries; comments begin with #",
    ),
    "fenced": Sloppy(
        "```yaml\ninput: {features: 8}\nlayers: [{dense: 8}]\n```\n",
        "1:1",
        "",
        "remove the ` marks: they are Markdown, not YAML",
    ),
    "missing-features": Sloppy(
        "input: {std: 1.0}\nlayers: [{dense: 8}]\n", "1:8", "input.features", "add it, as in `features: 784`"
    ),
    "missing-input": Sloppy("layers: [{dense: 8}]\n", "1:1", "input", "add it, as in `input: {features: 784}`"),
    "batch-size": Sloppy(
        "input: {features: 8}\nlayers: [{dense: 8}]\nprobe: {batch_size: 32}\n",
        "3:9",
        "probe.batch_size",
        "did you mean 'batch'?",
    ),
    "n-trials": Sloppy(
        "input: {features: 8}\nlayers: [{dense: 8}]\nprobe: {n_trials: 32}\n",
        "3:9",
        "probe.n_trials",
        "did you mean 'trials'?",
    ),
    "trials-text": Sloppy(
        "input: {features: 8}\nlayers: [{dense: 8}]\nprobe: {trials: many}\n",
        "3:17",
        "probe.trials",
        "write it as in `trials: 20`",
    ),
    "float16": Sloppy(
        "input: {features: 8}\nlayers: [{dense: 8}]\nprobe: {dtype: float16}\n",
        "3:16",
        "probe.dtype",
        "measure in float32; expect.safe_in says whether draws fit a narrower format",
    ),
    "loss": Sloppy(
        "input: {features: 8}\nlayers: [{dense: 8}]\nprobe: {gradient: crossentropy}\n",
        "3:19",
        "probe.gradient.name",
        "did you mean 'cross_entropy'?",
    ),
    "device": Sloppy(
        "input: {features: 8}\nlayers: [{dense: 8}]\nprobe: {device: cuda}\n",
        "3:9",
        "probe.device",
        "leave it out: the processor computes; --threads says how many of its cores",
    ),
    "seed-none": Sloppy(
        "input: {features: 8}\nlayers: [{dense: 8}]\nprobe: {seed: none}\n",
        "3:15",
        "probe.seed",
        "write it as in `seed: 0`",
    ),
    "optimizer": Sloppy(
        "input: {features: 8}\nlayers: [{dense: 8}]\noptimizer: adam\n",
        "3:1",
        "optimizer",
        "leave it out: nothing is trained here",
    ),
    "expect-ok": Sloppy(
        "input: {features: 8}\nlayers: [{dense: 8}]\nexpect: {forward: healthy}\n",
        "3:19",
        "expect.forward",
        "did you mean 'stable'?",
    ),
    "expect-text": Sloppy(
        "input: {features: 8}\nlayers: [{dense: 8}]\nexpect: stable\n",
        "3:9",
        "expect",
        "write it as in `expect: {forward: stable, backward: stable}`",
    ),
    "expect-gradient": Sloppy(
        "input: {features: 8}\nlayers: [{dense: 8}]\nexpect: {gradient: stable}\n",
        "3:10",
        "expect.gradient",
        "did you mean 'backward'?",
    ),
    "expect-range": Sloppy(
        "input: {features: 8}\nlayers: [{dense: 8}]\nexpect: {total_log10: {forward: 1}}\n",
        "3:33",
        "expect.total_log10.forward",
        "write it as [0.5, 2]; null leaves a side open, as in [null, 2]",
    ),
    "expect-fp16": Sloppy(
        "input: {features: 8}\nlayers: [{dense: 8}]\nexpect: {safe_in: fp16}\n",
        "3:19",
        "expect.safe_in",
        "did you mean 'float16'? known are float32, bfloat16, float16, float8_e5m2, float8_e4m3",
    ),
    "gauss": Sloppy(
        "input: {features: 8, distribution: gaussian}\nlayers: [{dense: 8}]\n",
        "1:36",
        "input.distribution",
        "did you mean 'normal'?",
    ),
    "missing-file": Sloppy(
        "input: {features: 8, distribution: file, path: batch.npy}\nlayers: [{dense: 8}]\n",
        "1:48",
        "input.path",
        "relative paths count from the config's folder",
    ),
    "file-shape": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: {width: 8, init: {name: file, path: w.npy}}\n",
        "3:29",
        "layers[0].dense.init",
        "its axes are (fan_out, fan_in)",
    ),
    "mode-fan": Sloppy(
        "input: {features: 8}\ndefaults: {init: {name: he, mode: fanin}}\nlayers: [{dense: 8}]\n",
        "2:35",
        "defaults.init.mode",
        "did you mean 'fan_in'?",
    ),
    "gain-text": Sloppy(
        "input: {features: 8}\ndefaults: {init: {name: xavier, gain: relu}}\nlayers: [{dense: 8}]\n",
        "2:39",
        "defaults.init.gain",
        "auto is the exact gain of the activation before",
    ),
    "init-number": Sloppy(
        "input: {features: 8}\ndefaults: {init: 0.02}\nlayers: [{dense: 8}]\n",
        "2:18",
        "defaults.init",
        "normal weights are {name: normal, std: 0.02}",
    ),
    "init-list": Sloppy(
        "input: {features: 8}\ndefaults: {init: [he, xavier]}\nlayers: [{dense: 8}]\n",
        "2:18",
        "defaults.init",
        "`varprobe list initializers` shows the names",
    ),
    "default-typo": Sloppy(
        "input: {features: 8}\ndefault: {init: he}\nlayers: [{dense: 8}]\n",
        "2:1",
        "default",
        "did you mean 'defaults'?",
    ),
    "init-key": Sloppy(
        "input: {features: 8}\ndefaults: {init: {type: he}}\nlayers: [{dense: 8}]\n",
        "2:18",
        "defaults.init",
        "write it as {name: he, gain: 1.2}",
    ),
    "norm-type": Sloppy(
        "input: {features: 8}\nlayers:\n  - dense: 8\n  - norm: {type: batch}\n",
        "4:12",
        "layers[1].norm.type",
        "did you mean 'kind'?",
    ),
    "gradient-type": Sloppy(
        "input: {features: 8}\nlayers: [{dense: 8}]\nprobe: {gradient: {type: mse}}\n",
        "3:20",
        "probe.gradient.type",
        "did you mean 'name'?",
    ),
    "class-name": Sloppy(
        "input: {features: 8}\nlayers:\n  - {class_name: Dense, config: {units: 64}}\n",
        "3:6",
        "layers[0].class_name",
        "the kind is the key, as in `- dense: 256`",
    ),
}
