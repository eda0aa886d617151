"""A simulated operator: an SMPP 3.4 SMSC for demos and acceptance tests. Shares the codec with the appliance, nothing else."""

from appliance.simulator.options import Options
from appliance.simulator.process import serve

__all__ = ["Options", "serve"]
