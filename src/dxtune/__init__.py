"""dxtune: fine-tune an open language model for diagnosis from clinical text, reproducibly and privately."""

from importlib.metadata import version

from dxtune.errors import DataError, DxtuneError, LeakageError, ModelError, ParamsError

__version__ = version("dxtune")
__all__ = ["DataError", "DxtuneError", "LeakageError", "ModelError", "ParamsError", "__version__"]
