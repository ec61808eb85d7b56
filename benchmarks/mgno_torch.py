"""MgNO in plain torch, as a peer to time: zero padding, the right-hand side restricted."""

from torch import nn


class TorchVCycle(nn.Module):
    """A V-cycle with own kernels for every smoothing step, on grids that divide by two."""

    def __init__(self, in_channels: int, width: int, steps: tuple[int, ...]):
        super().__init__()

        def conv(channels, out, stride=1):
            return nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)

        self.solves = nn.ModuleList(
            nn.ModuleList(conv(in_channels, width) for _ in range(count)) for count in steps
        )
        self.applies = nn.ModuleList(
            nn.ModuleList(conv(width, in_channels) for _ in range(count - (level == 0)))
            for level, count in enumerate(steps)
        )
        coarser = len(steps) - 1
        self.restrict_right = nn.ModuleList(
            conv(in_channels, in_channels, 2) for _ in range(coarser)
        )
        self.restrict_solution = nn.ModuleList(conv(width, width, 2) for _ in range(coarser))
        self.prolong = nn.ModuleList(
            nn.ConvTranspose2d(width, width, 4, stride=2, padding=1, bias=False)
            for _ in range(coarser)
        )

    def forward(self, right):
        solutions, solution = [], None
        for level, solves in enumerate(self.solves):
            for step, solve in enumerate(solves):
                if solution is None:
                    solution = solve(right)
                else:
                    apply = self.applies[level][step - (level == 0)]
                    solution = solution + solve(right - apply(solution))
            solutions.append(solution)
            if level < len(self.prolong):
                right = self.restrict_right[level](right)
                solution = self.restrict_solution[level](solution)
        for level in reversed(range(len(self.prolong))):
            solution = solutions[level] + self.prolong[level](solution)
        return solution


class TorchMgNO(nn.Module):
    """The operator made of them, with the exact GELU."""

    def __init__(self, width: int = 24, depth: int = 5, steps: tuple[int, ...] = (1,) * 5 + (2,)):
        super().__init__()
        channels = [1, *[width] * depth]
        self.cycles = nn.ModuleList(
            TorchVCycle(channels[layer], width, steps) for layer in range(depth)
        )
        self.pointwise = nn.ModuleList(
            nn.Conv2d(channels[layer], width, 1) for layer in range(depth)
        )
        self.head = nn.Conv2d(width, 1, 1, bias=False)

    def forward(self, fields):
        for cycle, pointwise in zip(self.cycles, self.pointwise, strict=True):
            fields = nn.functional.gelu(cycle(fields) + pointwise(fields))
        return self.head(fields)
