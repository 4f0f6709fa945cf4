"""What all clients share: where to, with which tokens, how fast, and until when."""
import asyncio
import random
import time

from credentials import Signer
from record import Record


class Run:
    def __init__(self, stage, seconds, seed):
        self.stage, self.seconds, self.seed = stage, seconds, seed
        self.random, self.record, self.forger = random.Random(seed), Record(), Signer()
        self.stopping, self.over = asyncio.Event(), False
        self.leaving, self.children_cpu = [], 0.0
        # Kinds of client of which at least one request must have got through.
        self.kinds = set()
        self.tokens = [stage.signer.token("items", seconds + 7200) for _ in range(200)]

    def token(self):
        """One of a few that are used again and again."""
        return self.random.choice(self.tokens)

    async def sleep(self, seconds):
        """Sleeps, but not beyond the end."""
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            pass

    async def pause(self, seconds):
        """Waits for about so long; false when there is nothing more to begin."""
        await self.sleep(self.random.uniform(0.2, 1.8) * seconds)
        return not self.stopping.is_set()

    @staticmethod
    async def throttle(begin, done, rate):
        """Holds a transfer that began at `begin` to `rate` bytes a second."""
        ahead = done / rate - (time.monotonic() - begin)
        if ahead > 0.01:
            await asyncio.sleep(ahead)
