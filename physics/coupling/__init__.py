from .dissipative import Dissipative as Dissipative, LocallyDissipative as LocallyDissipative
from .limited import Limited as Limited
from .scaled import Scaled as Scaled
from .sum import Sum as Sum
from .wrapper import AbstractWrapper as AbstractWrapper
