"""`python -m varprobe` is `varprobe`."""

from varprobe.cli.main import main

if __name__ == "__main__":
    main()
