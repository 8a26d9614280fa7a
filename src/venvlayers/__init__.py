"""venvlayers: the engine of hatch-venvstacks.

What a user wrote becomes layers, in stages, each a package of its own:
specification -> plan -> lock -> environment -> archive -> deployment.
Data goes one way down that line. Nothing in here knows Hatch; the shells in
`hatch_venvstacks` and `venvlayers.cli` call `venvlayers.workflow`.

This module stays empty of imports: a build in which nothing is to be done
should not pay for the parts that it does not use.
"""

__version__ = "0.1.0"
