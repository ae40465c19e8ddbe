"""The demonstration: the first sale, played by real clients against real processes on a fresh brand."""
