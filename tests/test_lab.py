"""The lab: what the page computes against what the tool computes, in a real browser; and which configs it takes."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import numpy as np
import pytest
from test_browser import browser  # noqa: F401  # a fixture

import varprobe
from varprobe.cli.main import run as run_command
from varprobe.config.loading import ConfigText, load, load_text
from varprobe.lab.build import build_page
from varprobe.lab.states import address_of
from varprobe.lab.tables import SCHEMES, write_tables
from varprobe.network.activations import ACTIVATIONS, make_activation
from varprobe.network.initializers import INITIALIZERS, Context
from varprobe.network.parameters import Number, Parameter
from varprobe.theory.predict import predict
from varprobe.verdict.intervals import student_quantile
from varprobe.verdict.rule import BROKEN, FADING, LN10, PRESERVED, STABLE

DRAWS = 40
NONE = Parameter(Number(), 0.0)


def setting(**changes: Any) -> str:
    return urlencode({"activation": "tanh", "scheme": "lecun", "depth": 6, "width": 32, "batch": 32, **changes})


# Every activation, scheme, norm, residual; one layer and a hundred. Seeds are the page's default, and the tool's 0.
SETTINGS = [
    *(setting(activation=name, scheme="he") for name in ACTIVATIONS),
    *(setting(scheme=name, depth=depth, width=16) for name in SCHEMES for depth in (1, 100)),
    *(setting(norm=norm, activation=name, scheme="he") for norm in ("layer", "batch") for name in ("relu", "tanh")),
    *(setting(norm=norm, activation="gelu", depth=100, width=16) for norm in ("layer", "batch")),
    *(setting(norm=norm, residual=0.5, activation="relu") for norm in ("none", "layer", "batch")),
    setting(residual=0.1, depth=100, width=16, scheme="he", activation="silu"),
    setting(bias=0.3, gain=1.3),
    setting(activation="leaky_relu", slope=0.3, scheme="he", batch=8, width=24),
    setting(scheme="orthogonal", gain=1.1, activation="linear"),
]
# Three statistics at three layers each; what all of them together may err.
FAMILY, TESTS = 0.01, 9 * len(SETTINGS)


@pytest.fixture(scope="module")
def page_text() -> str:
    return build_page()


def open_page(browser: Any, place: Path, text: str, address: str = "") -> Any:  # noqa: F811
    place.write_text(text)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{place.as_uri()}#{address}")
    return page


@pytest.fixture(scope="module")
def lab(browser: Any, tmp_path_factory: pytest.TempPathFactory, page_text: str) -> Iterator[Any]:  # noqa: F811
    page = open_page(browser, tmp_path_factory.mktemp("lab") / "lab.html", page_text, setting(depth=2, width=8))
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    assert complaints == []
    page.close()


def measure(page: Any, address: str) -> dict[str, Any]:
    """What the page measures and predicts; its infinite and undefined numbers as such."""
    return page.evaluate("([address, draws]) => lab.measure(address, draws)", [address, DRAWS])


def wait_for(page: Any, condition: str, seconds: float = 60) -> None:
    """Until it holds. Playwright's own way evaluates a string in the page, which the page's policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(f"() => Boolean({condition})"):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(50)


def go_to(page: Any, address: str) -> None:
    heard = """(address) => new Promise((done) => {
      if (location.hash === `#${address}`) done();
      addEventListener("hashchange", () => done(), { once: true });
      location.hash = address;
    })"""
    page.evaluate(heard, address)  # the page has heard it first
    seed = dict(parse_qsl(address)).get("seed", "1")
    wait_for(page, f"lab.found.settled && lab.state.seed === {seed}")


def experiment_of(seen: Mapping[str, Any]) -> Any:
    return load_text(ConfigText(seen["yaml"], "lab.yaml", Path(), "lab"))


@pytest.fixture(scope="module")
def measured(lab: Any) -> dict[str, dict[str, Any]]:
    return {address: measure(lab, address) for address in SETTINGS}


@pytest.fixture(scope="module")
def reports(measured: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The tool's, of the configs that the page writes."""
    return {address: varprobe.run(experiment_of(seen).document) for address, seen in measured.items()}


def output_rows(layers: Any, depth: int) -> list[Any]:
    """The rows whose outputs are the page's layers: the last of every block."""
    count = len(layers) // depth
    assert len(layers) == count * depth
    return list(layers[count - 1 :: count])


def depth_of(address: str) -> int:
    return int(dict(parse_qsl(address))["depth"])


def trials_of(estimate: Any) -> np.ndarray[Any, Any]:
    return np.array([value for value in estimate.trials if value is not None]) * LN10


def disagreements(address: str, seen: Mapping[str, Any], report: Any) -> list[str]:
    """Welch's test of the logs per draw, at the first, the middle and the last layer."""
    depth = depth_of(address)
    rows, found = output_rows(report.layers, depth), []
    for place in sorted({1, (depth + 1) // 2, depth}):
        row = rows[place - 1]
        pairs = {
            "second": row.activation.second_moment,
            "sample": row.activation.sample_variance,
            "gradient": row.activation_gradient.second_moment,
        }
        for name, estimate in pairs.items():
            if name == "gradient" and place == depth:
                continue  # 1 by definition
            ours = np.array([draw[name][place] for draw in seen["draws"]], float)
            ours, theirs = ours[np.isfinite(ours)], trials_of(estimate)
            # A signal that is gone to rounding has no law to compare.
            if min(len(ours), len(theirs)) < DRAWS // 2 or is_rounding(name, seen, place):
                continue
            if not agree(ours, theirs):
                found.append(f"{address} {name} {place}: {ours.mean():.4f} {theirs.mean():.4f}")
    return found


def is_rounding(name: str, seen: Mapping[str, Any], place: int) -> bool:
    return name == "sample" and any(draw["sample"][place] - draw["second"][place] < -25 for draw in seen["draws"])


def agree(ours: Any, theirs: Any) -> bool:
    parts = ours.var(ddof=1) / len(ours), theirs.var(ddof=1) / len(theirs)
    error = math.sqrt(sum(parts))
    if error < 1e-6:  # nothing is random: float32 over a hundred layers
        return abs(ours.mean() - theirs.mean()) < 1e-4
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(ours) - 1) + parts[1] ** 2 / (len(theirs) - 1))
    return abs(ours.mean() - theirs.mean()) < student_quantile(1 - FAMILY / TESTS / 2, int(freedom)) * error


def test_there_are_forty_settings_and_every_part_is_in_one() -> None:
    asked = [dict(parse_qsl(address)) for address in SETTINGS]
    assert len(set(SETTINGS)) >= 40
    assert {one["activation"] for one in asked} == set(ACTIVATIONS)
    assert {one["scheme"] for one in asked} == set(SCHEMES)
    assert {one.get("norm", "none") for one in asked} == {"none", "layer", "batch"}
    assert {"1", "100"} <= {one["depth"] for one in asked}


def test_the_page_measures_what_the_tool_measures(measured: Any, reports: Any) -> None:
    assert [line for address in SETTINGS for line in disagreements(address, measured[address], reports[address])] == []


def test_an_error_of_a_twentieth_in_the_gain_is_seen(
    browser: Any,  # noqa: F811
    tmp_path: Path,
    page_text: str,
    reports: Any,
) -> None:
    right = "const std = weightStd(net), bias"
    assert page_text.count(right) == 1
    page = open_page(
        browser, tmp_path / "wrong.html", page_text.replace(right, "const std = 1.05 * weightStd(net), bias")
    )
    wrong = [disagreements(address, measure(page, address), reports[address]) for address in SETTINGS[:12]]
    page.close()
    assert sum(map(bool, wrong)) >= 4


def test_the_page_predicts_what_the_tool_predicts(measured: Any) -> None:
    """To 1e-4, wherever the tool's theory goes and the numbers are those of doubles."""
    compared = 0
    for address, seen in measured.items():
        experiment, depth = experiment_of(seen), depth_of(address)
        prediction = predict(experiment.network, experiment.network.settings)
        rows = output_rows(prediction.rows, depth)
        for place, row in enumerate(rows, 1):
            ours, theirs = seen["theory"]["outputs"][place], row.output
            if theirs is None or not -600 < theirs.second_moment.log < 600:
                continue
            assert ours["log"] == pytest.approx(theirs.second_moment.log, abs=1e-4), (address, place)
            if theirs.sample_variance is not None and theirs.sample_variance.value:
                share = math.log(ours["share"]) + ours["log"]
                assert share == pytest.approx(theirs.sample_variance.log, abs=1e-4), (address, place)
            if row.log_output_gradient is not None:
                gradient = seen["theory"]["gradients"][place]
                assert gradient == pytest.approx(row.log_output_gradient, abs=1e-4), (address, place)
            compared += 1
    assert compared > 600


def test_the_page_judges_as_the_tool_judges(measured: Any, reports: Any) -> None:
    """In all cases that are clear: further from every limit than three errors of both."""
    clear = 0
    for address, seen in measured.items():
        for name, limits in (
            ("forward", (STABLE, BROKEN)),
            ("backward", (STABLE, BROKEN)),
            ("signal", (PRESERVED, FADING)),
        ):
            ours, theirs = seen["verdict"][name], getattr(reports[address].verdict, name)
            if theirs.total_log10 is not None and theirs.error_log10 is not None:
                total, half = theirs.total_log10 * LN10, theirs.error_log10 * LN10
                edges = limits if name == "signal" else (*limits, *(-limit for limit in limits))
                apart = min(abs(total - (-edge if name == "signal" else edge)) for edge in edges)
                if apart < 3 * 2 * half or abs(half - LN10) < 1:
                    continue
            clear += 1
            assert ours["label"] == str(theirs.label), (address, name)
    assert clear > 100


def test_every_activation_of_the_page_is_that_of_the_package(lab: Any) -> None:
    """At a thousand points, to the precision of single numbers, of which both are the same expressions."""
    points = np.concatenate([np.linspace(-8, 8, 801), np.geomspace(1e-4, 60, 100), -np.geomspace(1e-4, 60, 99)])
    assert len(points) == 1000
    given = [float(x) for x in points]
    for name in ACTIVATIONS:
        script = f"(points) => ['value', 'slope'].map((f) => points.map((x) => lab.activations.{name}[f](x, 0.2)))"
        value, slope = (np.array(one, float) for one in lab.evaluate(script, given))
        made = make_activation(name, **({"slope": 0.2} if "slope" in ACTIVATIONS[name].parameters else {}))
        size = np.maximum(1, np.abs(points))
        assert np.abs((value - made.value(points)) / size).max() < 4e-7, name
        assert np.abs(slope - made.derivative(points)).max() < 2e-6, name


def test_the_page_has_the_schemes_of_the_package() -> None:
    found = re.search(r"const SCHEMES = (.*);", write_tables())
    assert found
    for name, scheme in json.loads(found[1]).items():
        kind = INITIALIZERS[name]
        arguments = {key: parameter.default for key, parameter in kind.parameters.items()}
        for width in (8, 100, 512):
            law = kind.build(Context(width, width), **arguments)
            assert (scheme["factor"] * width ** scheme["power"]) ** 2 == pytest.approx(law.variance(width, width))
            if kind.bias is not None:
                bias = kind.bias(Context(width, width), **arguments)
                assert scheme["biasFactor"] ** 2 / width == pytest.approx(bias.variance(width, width))


def test_the_config_of_the_page_is_its_state(measured: Any) -> None:
    for address, seen in measured.items():
        asked, again = (dict(parse_qsl(one)) for one in (address, address_of(experiment_of(seen).network)))
        assert again.pop("seed") == "1"
        if "slope" not in asked:
            assert (
                float(again.pop("slope", "0")) == ACTIVATIONS[asked["activation"]].parameters.get("slope", NONE).default
            )
        asked = {key: value for key, value in asked.items() if value != "none"}
        assert set(again) == set(asked), address
        for key, value in asked.items():
            assert again[key] == value or float(again[key]) == pytest.approx(float(value)), (address, key)


def test_the_page_is_one_small_file_that_asks_for_nothing(browser: Any, tmp_path: Path, page_text: str) -> None:  # noqa: F811
    assert len(page_text.encode()) < 300_000
    policy = re.search(r'Security-Policy" content="([^"]*)"', page_text)
    assert policy
    assert "unsafe" not in policy[1]
    assert "default-src &#x27;none&#x27;" in policy[1]
    assert "eval(" not in page_text
    place = tmp_path / "lab.html"
    place.write_text(page_text)
    page, asked, complaints = browser.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{place.as_uri()}#{setting(depth=4, width=8)}")
    wait_for(page, "lab.found.settled")
    page.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith("blob:")] == [place.as_uri()]


def test_controls_keys_and_address_move_the_state(lab: Any) -> None:
    go_to(lab, "depth=5&width=8&seed=3")
    assert "depth=5" in lab.evaluate("location.hash")
    lab.locator("#depth").fill("7")
    assert lab.evaluate("lab.state.depth") == 7
    lab.locator("#scheme").select_option("he")
    assert lab.locator("#std-out").inner_text() == "1.41"
    lab.locator("h1").click()
    for key in ("n", "r", "ArrowRight", "ArrowUp", " "):
        lab.keyboard.press(key)
    state = lab.evaluate("lab.state")
    assert (state["norm"], state["residual"], state["depth"]) == ("layer", 1, 8)
    assert state["gain"] > 1
    assert state["seed"] != 3
    wait_for(lab, "lab.found.settled")
    assert (lab.locator("#spoken").text_content() or "").startswith(lab.locator("#headline").text_content())
    assert "varprobe run" in lab.locator("#command").inner_text()


def test_the_verdict_hides_until_it_is_guessed(lab: Any) -> None:
    go_to(lab, "depth=30&width=16&scheme=small&guess=1")
    assert lab.locator("#sentence").is_hidden()
    lab.locator("input[name=forward][value=vanishing]").check()
    lab.locator("input[name=backward][value=stable]").check()
    lab.locator("#guess button").click()
    assert lab.locator("#sentence").is_visible()
    said = lab.locator("#reason").inner_text()
    assert "Activations: right" in said
    assert "not stable but vanishing" in said


def test_what_is_left_is_no_longer_settled_at_once(lab: Any) -> None:
    """Else a quick guess would be held to the network before."""
    go_to(lab, "depth=8&width=16")
    moved = """() => {
      const slider = document.getElementById("depth");
      slider.value = 9;
      slider.dispatchEvent(new Event("input", { bubbles: true }));
      return [lab.state.depth, lab.found.settled];
    }"""
    assert lab.evaluate(moved) == [9, False]


def test_a_question_keeps_its_answer_until_it_is_asked_for(lab: Any) -> None:
    go_to(lab, "depth=3&width=8")
    lab.locator("#games summary").click()
    lab.locator("#ask").fill("Why?")
    lab.locator("#reply").fill("Since √2 is more than 1.")
    lab.locator("#make-link").click()
    lab.evaluate("() => { location.hash = document.getElementById('made-link').textContent.split('#')[1]; }")
    wait_for(lab, "lab.found.settled && lab.state.ask === 'Why?'")
    assert lab.locator("#question").inner_text() == "Why?"
    assert lab.locator("#answer").is_hidden()
    assert lab.locator("#headline").is_hidden()
    lab.locator("#show-answer").click()
    assert lab.locator("#answer").inner_text() == "Since √2 is more than 1."
    assert lab.locator("#headline").is_visible()


def test_a_healthy_network_learns_and_a_small_one_does_not(lab: Any) -> None:
    go_to(lab, "depth=8&width=32&scheme=xavier&seed=2")
    lab.locator("#train").click()
    steps = "Number(/step (\\d+)/.exec(document.getElementById('learner-0').textContent)?.[1])"
    wait_for(lab, f"{steps} > 900")
    lab.locator("#train").click()
    losses = [float(re.findall(r"loss ([\d.]+)", lab.locator(f"#learner-{place}").inner_text())[0]) for place in (0, 1)]
    assert losses[0] < 0.45
    assert losses[1] == pytest.approx(math.log(2), abs=0.03)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_and_a_presenter_see_all_of_it(
    browser: Any,  # noqa: F811
    tmp_path: Path,
    page_text: str,
    scheme: str,
) -> None:
    place = tmp_path / "lab.html"
    place.write_text(page_text)
    page = browser.new_page(viewport={"width": 360, "height": 760}, color_scheme=scheme)
    page.goto(f"{place.as_uri()}#{setting(depth=40, width=8)}")
    wait_for(page, "lab.found.settled")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    pixel = page.evaluate("() => document.getElementById('profile').getContext('2d').getImageData(0, 0, 1, 1).data[0]")
    assert pixel > 200 if scheme == "light" else pixel < 60
    with page.expect_download() as saved:
        page.locator("#save").click()
    assert Path(saved.value.path()).read_bytes().startswith(b"\x89PNG")
    page.keyboard.press("p")
    assert page.locator("#controls").is_hidden()
    assert page.locator("#network").is_visible()
    page.emulate_media(media="print", color_scheme=scheme)
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.close()


def test_the_edge_counts_the_layers_that_the_signal_survives(lab: Any) -> None:
    go_to(lab, "depth=2&width=8")
    lab.locator("#edge").click()
    wait_for(lab, "lab.state.depth === 100 && lab.found.settled")
    told = re.search(r"Forward (\d+), backward (\d+) of 100: (\d+) points", lab.locator("#score").inner_text())
    assert told
    forward, backward, score = map(int, told.groups())
    assert score == min(forward, backward) < 100


def test_a_config_begins_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(
        "input: {features: 16}\ndefaults: {activation: relu, init: he}\nlayers: [{dense: 16, repeat: 9}]\n"
    )
    assert run_command(["lab", "net.yaml", "-o", "page.html"]) == 0
    assert capsys.readouterr().out == "wrote page.html: open it in a browser\n"
    assert (
        'const START = "activation=relu&scheme=he&depth=9&width=16&batch=128&seed=0"' in Path("page.html").read_text()
    )


REFUSED = {
    "layers: [{dense: 16}, {dense: 10}]": "layers[1] has 10 units and the input 16, the page one width for all",
    "layers: [{dense: 16}, {dense: {width: 16, init: large}}]": "layers[1] is unlike the layers before it",
    "layers: [{dense: 16}, {dropout: 0.5}]": "layers[1] is dropout",
    "layers: [{dense: 16, repeat: 101}]": "the page has 1 to 100 layers, this has 101",
    "layers: [{dense: {width: 16, bias: 0.5}}]": "the page draws normal biases without a mean",
    "layers: [{dense: {width: 16, init: sparse}}]": "the page draws normal, uniform or orthogonal weights",
    "layers: [{dense: 16}]\nprobe: {batch: 33}": "the page has even batches of 2 to 512, this is 33",
    "layers: [{dense: 16}]\nprobe: {gradient: mse}": "the page sends back a random gradient, this is mse",
    "layers: [{dense: {width: 16, activation: {name: elu, alpha: 2.0}}}]": "elu with its usual arguments",
    "layers: [{norm: layer}, {dense: 16}]": "in this order",
}


@pytest.mark.parametrize("layers", REFUSED)
def test_a_network_of_another_kind_is_refused_with_the_reason(
    layers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(f"input: {{features: 16}}\ndefaults: {{activation: tanh}}\n{layers}\n")
    assert run_command(["lab", "net.yaml"]) == 2
    said = capsys.readouterr().err
    assert "net.yaml: is not a network of the lab's kind" in said
    assert REFUSED[layers] in said
    assert not Path("lab.html").exists()


def test_a_law_by_another_name_is_taken() -> None:
    experiment = load(
        {
            "input": {"features": 16},
            "layers": [
                {"dense": {"width": 16, "init": {"name": "mean_field", "sw": 1.5, "sb": 0.2}, "activation": "tanh"}}
            ],
        }
    )
    asked = dict(parse_qsl(address_of(experiment.network)))
    assert asked["scheme"] == "lecun"
    assert float(asked["gain"]) == pytest.approx(1.5)
    assert float(asked["bias"]) == pytest.approx(0.2)
