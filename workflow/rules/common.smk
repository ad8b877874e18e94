import re
import sys
from dataclasses import asdict
from functools import cache
from os.path import relpath
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Paths start at the Snakefile's folder, also when another workflow uses this one as a module.
ROOT = Path(workflow.current_basedir).parent.parent
EXPERIMENTS = ROOT / "config" / "experiments"
sys.path.insert(0, str(ROOT / "scripts"))

from meanfield.config_errors import ConfigError
from meanfield.config_files import load_settings, load_yaml
from meanfield.plan import Plan
from meanfield.siblings import Sibling, packed
from meanfield.threads import threads_of_run

# Snakemake calls the interpreter of a script without quoting its path.
if " " in sys.executable:
    raise WorkflowError(
        f"The path of the Python interpreter contains a space: {sys.executable!r}. "
        "Snakemake cannot start scripts with it; make the virtual environment in a folder "
        "whose path has no space."
    )

# Snakemake reports a syntax error without its line, so config.yaml is read here first.
try:
    load_yaml("config/config.yaml")
except FileNotFoundError:
    pass  # a workflow that uses this one as a module brings its own
except ConfigError as error:
    raise WorkflowError(f"{error}")
