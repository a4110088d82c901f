"""`python -m dxtune` is `dxtune`."""

from dxtune.cli import main

if __name__ == "__main__":  # and not where a tool only reads the module
    main()
