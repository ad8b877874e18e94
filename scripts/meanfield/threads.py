"""How many threads each run of a sweep gets, where all runs share the cores of one machine."""


def threads_of_run(seeds: int, points: int, cores: int) -> int:
    """Return the threads of a run that trains its seeds, one thread each, in rounds.

    One for each seed, but no more than make about two for each core over all points of the sweep:
    side by side, runs keep the cores busy while others of them start and end. As few as need no
    more rounds: 4 for 8 seeds, not 5, of which 2 would be idle in the second round.

    Args:
        seeds: number of seeds of each run, at least 1.
        points: number of runs in the sweep, at least 1.
        cores: number of cores, at least 1.
    """
    most = min(seeds, cores, -(-2 * cores // points))
    rounds = -(-seeds // most)
    return -(-seeds // rounds)
