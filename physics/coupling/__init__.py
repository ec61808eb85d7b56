from .conservative_convection import ConservativeConvection as ConservativeConvection
from .dissipative import Dissipative as Dissipative, LocallyDissipative as LocallyDissipative
from .envelope import AbstractEnvelope as AbstractEnvelope
from .guarded_convection import GuardedConvection as GuardedConvection
from .limited import Limited as Limited
from .limited_convection import LimitedConvection as LimitedConvection
from .scaled import Scaled as Scaled
from .sum import Sum as Sum
from .wrapper import AbstractWrapper as AbstractWrapper
