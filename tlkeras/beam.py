"""The public parts for Apache Beam pipelines: `tlkeras[beam]`.

A pipeline of one's own runs `ComputeActivations` between other transforms; the
command line runs it by `tlkeras features --beam_pipeline_options=...`.
"""

from tlkeras.features.beam_executor import ComputeActivations

__all__ = ["ComputeActivations"]
