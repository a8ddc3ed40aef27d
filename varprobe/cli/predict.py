"""`varprobe predict`: a network judged by theory alone."""

from __future__ import annotations

from typing import Annotated

from varprobe.cli.app import command
from varprobe.cli.delivery import deliver, plan_delivery
from varprobe.cli.options import AsCode, Config, Network, Output, Sampling, View, output_option, overrides_of
from varprobe.errors import OutputError, Place


@command("predict", "varprobe predict configs/he_relu.yaml --explain")
def predict(
    config: Config,
    network: Network,
    sampling: Sampling,
    output: Output,
    view: View,
    code: AsCode = None,
    explain: Annotated[bool, output_option("--explain", help="Write out how each layer's numbers come about.")] = False,
) -> None:
    """Say by theory alone what becomes of the signal; nothing is drawn."""
    from varprobe.config.loading import load
    from varprobe.config.opening import noting_files
    from varprobe.diagnose import predict_report

    if output.own_scale:
        hint = "leave it out; `varprobe run` measures them"
        raise OutputError("theory alone has no histograms", hint=hint, place=Place("--own-scale"))
    shown = view.choose()
    with noting_files() as noted:
        experiment = load(config, overrides_of(network, sampling))
    delivery = plan_delivery("report", output, code=code, inputs=[config, *noted])
    deliver(predict_report(experiment), delivery, **shown, explain=explain)
