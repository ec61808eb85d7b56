"""Reinforcement learning: policies that earn their reward inside a running simulation."""

from .environment import AbstractEnvironment as AbstractEnvironment, Step as Step
from .evaluation import episode_returns as episode_returns
from .gaussian_policy import GaussianPolicy as GaussianPolicy
from .ppo import PPOResult as PPOResult, train_ppo as train_ppo
from .state_value import StateValue as StateValue
from .tanh_network import TanhNetwork as TanhNetwork
from .turbulence_environment import TurbulenceEnvironment as TurbulenceEnvironment
from .v_racer import VRacerResult as VRacerResult, train_v_racer as train_v_racer
