import optax


def one_cycle_adam(
    steps: int, learning_rate: float, weight_decay: float
) -> optax.GradientTransformation:
    """Adam with decayed weights, and one cosine cycle of the learning rate.

    It rises from a half to the peak in the first fifth of the steps, and falls to a
    two-hundredth.
    """
    schedule = optax.cosine_onecycle_schedule(
        steps, learning_rate, pct_start=0.2, div_factor=2, final_div_factor=100
    )
    return optax.chain(optax.add_decayed_weights(weight_decay), optax.adam(schedule))
