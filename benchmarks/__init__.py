"""What remx promises about speed and size, measured: ``python -m benchmarks`` from the repository root.

Every ratio compares two things measured in the same run, in alternating rounds, so that a machine that
is busy or slow is equally so for both.  ``workloads`` holds the programs, written once over the module
that is to run them, so MXNet and remx execute the same lines.
"""
