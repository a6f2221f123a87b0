"""Four validators on one machine, as real processes: how fast they agree, and what it costs when one of them fails.

python -m benchmarks.network                    every figure, as a table of target and measured
python -m benchmarks.network --only finality    one part: finality, burst, idle, leader, load, restart, partition
"""
