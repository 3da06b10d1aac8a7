"""`make bench`: what a decision costs, side by side in one run.

Prints the state machine's figures, then requests a second and CPU microseconds a request through a real Envoy for
several workers behind it. The rows of one table run in turn, round by round, so that a slow minute hits all of them.
"""

from gateways import compare
from machine import measure
from phases import compare_phases


def main() -> None:
    print("The ext_proc state machine alone, one core, no grpcio: messages decoded before, answers not encoded")
    print(f"{'chain':28} {'microseconds':>12} {'decisions/s':>12}")
    for name, seconds in measure().items():
        print(f"{name:28} {seconds * 1e6:12.1f} {1 / seconds:12,.0f}")
    print()
    print("Through a real Envoy, one Envoy thread, one worker, 16 connections")
    print(compare())
    print()
    print("The same for one plugin each: what a phase costs, in CPU microseconds")
    print(compare_phases())


if __name__ == "__main__":
    main()
