"""The hold model in SimPy: as many processes as events are pending, each waiting again and again.

Prints events per second for each number of pending events given.
"""

import random
import sys
import time

import simpy


def rate(pending, events, delay_max_ms):
    environment = simpy.Environment()
    draw = random.Random(1).randint

    def waiter():
        while True:
            yield environment.timeout(draw(1, delay_max_ms))

    for _ in range(pending):
        environment.process(waiter())
    # Each process starts with an event of its own, which is not counted.
    for _ in range(pending):
        environment.step()
    begin = time.process_time()
    for _ in range(events):
        environment.step()
    return events / (time.process_time() - begin)


if __name__ == "__main__":
    delay_max_ms = int(sys.argv[1])
    for argument in sys.argv[2:]:
        pending, events = map(int, argument.split(":"))
        print(f"{rate(pending, events, delay_max_ms):.0f}")
