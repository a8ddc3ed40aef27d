"""Does the signal survive the depth of this network?

>>> import varprobe
>>> report = varprobe.run({"input": {"features": 16}, "layers": [{"dense": 16, "repeat": 4}], "probe": {"batch": 8}})
>>> report.verdict.overall
'stable'
"""

from varprobe.api import load, measure, run
from varprobe.diagnose import diagnose
from varprobe.errors import VarprobeError
from varprobe.report.records import Report
from varprobe.spec.network import NetworkSpec, Settings
from varprobe.version import __version__

__all__ = ["NetworkSpec", "Report", "Settings", "VarprobeError", "__version__", "diagnose", "load", "measure", "run"]
