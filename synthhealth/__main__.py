"""`python -m synthhealth`, for launchers such as torchrun that take a module."""

from synthhealth.cli import main

main()
