"""Losses and the score that training watches; Keras 3, any backend."""

from __future__ import annotations

from typing import Any

SMOOTH = 1.0


def soft_dice(truth: Any, probability: Any) -> Any:
    """Dice coefficient of a whole batch, in [0, 1].

    Over the batch, not each slice: a slice without brain has no Dice of its own, yet brain found
    there must cost something (Milletari et al., 3DV 2016, for the loss itself).
    """
    from keras import ops

    truth = ops.cast(truth, "float32")
    probability = ops.cast(probability, "float32")
    overlap = ops.sum(truth * probability)
    return (2 * overlap + SMOOTH) / (ops.sum(truth) + ops.sum(probability) + SMOOTH)


def make_loss(cross_entropy_weight: float) -> Any:
    """Dice loss, with weighted binary cross-entropy beside it."""

    def dice_loss(truth: Any, probability: Any) -> Any:
        from keras import ops

        loss = 1 - soft_dice(truth, probability)
        if cross_entropy_weight:
            truth = ops.cast(truth, "float32")
            entropy = ops.binary_crossentropy(truth, ops.cast(probability, "float32"))
            loss = loss + cross_entropy_weight * ops.mean(entropy)
        return loss

    return dice_loss


def dice_score(truth: Any, probability: Any) -> Any:
    """Dice of the thresholded batch."""
    from keras import ops

    return soft_dice(truth, ops.cast(probability > 0.5, "float32"))
