"""What the benchmarks stand on: trees, isolation, the contenders, and how a result is written down."""
