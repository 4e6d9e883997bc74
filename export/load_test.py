#!/usr/bin/env python3
"""Loads a server with closed-loop clients and prints latencies.

Each client sends one image, waits for the answer, and sends the next. Standard
library only, and client_rest.py beside it. Exit code 1 if a request failed.
"""

import argparse
import json
import math
import sys
import threading
import time

import client_rest


def parse_arguments(argv=None):
    """Returns the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("images", nargs="+")
    parser.add_argument("--url", default="http://localhost:8501")
    parser.add_argument("--model", default="digits")
    parser.add_argument("--clients", type=client_rest.positive, default=8)
    parser.add_argument("--seconds", type=float, default=10, help="at most")
    parser.add_argument("--requests", type=client_rest.positive, default=1000)
    parser.add_argument("--timeout", type=float, default=10, help="seconds")
    settings = parser.parse_args(argv)
    settings.version = settings.label = None
    settings.signature = "serving_default"
    return settings


def run_load(settings):
    """Returns latencies in seconds, errors, and the seconds it all took."""
    contents = []
    for path in settings.images:
        with open(path, "rb") as file:
            contents.append(file.read())
    lock = threading.Lock()
    latencies, errors, sent = [], [], [0]
    started = time.perf_counter()

    def take():
        with lock:
            elapsed = time.perf_counter() - started
            if sent[0] >= settings.requests or elapsed >= settings.seconds:
                return None
            sent[0] += 1
            return sent[0] - 1

    def work():
        while (number := take()) is not None:
            content = contents[number % len(contents)]
            begun = time.perf_counter()
            try:
                client_rest.predict(settings, [content])
            except (client_rest.ServerError, client_rest.RefusedError) as error:
                with lock:
                    errors.append(str(error))
            else:
                with lock:
                    latencies.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=work) for _ in range(settings.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies, errors, time.perf_counter() - started


def percentile(values, share):
    """Returns the smallest value that `share` of all do not pass."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def main(argv=None):
    """Runs the load of the command line and prints one line of JSON."""
    settings = parse_arguments(argv)
    try:
        latencies, errors, seconds = run_load(settings)
    except OSError as error:
        print(f"load_test: {error}", file=sys.stderr)
        return 2
    result = {
        "clients": settings.clients,
        "requests": len(latencies) + len(errors),
        "failed": len(errors),
        "requests_per_second": round(len(latencies) / seconds, 1),
    }
    for share in (50, 95, 99):
        if latencies:
            value = 1e3 * percentile(latencies, share / 100)
            result[f"p{share}_ms"] = round(value, 2)
    print(json.dumps(result))
    if errors:
        print(f"load_test: the first failure: {errors[0]}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
