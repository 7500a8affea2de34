"""`python -m timestrata`: the command line."""

from timestrata.cli import main

if __name__ == "__main__":
    main()
