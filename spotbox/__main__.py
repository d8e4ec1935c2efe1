"""python -m spotbox."""

from spotbox.cli import main

if __name__ == "__main__":
    main()
