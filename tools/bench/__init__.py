"""Measures what this project does, beside what the machine allows in the same minutes.

``nox -s bench`` runs it. What is compared are ratios: times say more about a machine, and
about what else it does, than about a program. Stages of ours take turns with the ordinary
programs that they are compared with, on the same files.

- `stacks.py`: what is built, and how it is changed
- `processes.py`: one command, with its time and its memory
- `workplace.py`: a stack in a directory of its own, and our command in it
- `limits.py`: the ordinary programs, in the same directory
- `rounds.py`: everything once, in an order that makes it comparable
- `starts.py`: how fast applications start
- `hatch_build.py`: the same through Hatch
- `theirs.py`: the same stack through another `venvstacks`
- `results.py`: what was measured, as values and as JSON
- `ratios.py`: what is compared with what, and the goals
- `committed.py`: the ratios that are in the repository, and how far one may be from them
- `tables.py`, `plot.py`: for those who read it
- `__main__.py`: the options, and what follows from them

Nothing here is imported by the engine or by a shell, and no test runs a measurement.
"""
