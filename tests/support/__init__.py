"""What the test suites share: the op samples, their golden vectors and the tolerances."""
