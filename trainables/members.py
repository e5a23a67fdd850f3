"""Perceptrons that share kernels, in a graph (TabM).

Gorishniy, Kotelnikov and Babenko, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient
Ensembling", 2025, after BatchEnsemble (Wen et al. 2020): members share each layer's kernel and have
factors of its inputs and outputs and a bias of their own. Each is trained by itself, on the same
rows; their probabilities are averaged. A batch's arithmetic is that of all members, so that unlike
in one small network the operations of a gradient tape don't count.
"""

from collections.abc import Sequence

from .periodic import PeriodicWeights, embed
from .runtime import Tensor, tf


def members_logits(
    X: Tensor,
    embedding: PeriodicWeights | None,
    layers: Sequence[Sequence[Tensor]],
    activation: str,
    masks: Sequence[Tensor] = (),
) -> Tensor:
    """Logits of every member.

    Args:
        X: float32 tensor of shape (n_rows, n_features).
        embedding: Of the columns, if there is one.
        layers: Weights in the shapes of :func:`~evensweep.trainables.mlp.layer_shapes`.
        activation: A name in ``tf.nn``.
        masks: Dropout's factors of each hidden layer, (n_rows · members, width).

    Returns:
        float32 tensor of shape (n_rows, members, 2).
    """
    if embedding:
        X = embed(X, embedding).output
    *hidden, (last_kernel, last_bias) = layers
    values = X[:, None, :]
    for number, (inner, outer, kernel, bias) in enumerate(hidden):
        factored = values * inner
        n_rows, members, _ = tf.unstack(tf.shape(factored))
        # Of all members at once, as one product.
        linear = tf.reshape(factored, [n_rows * members, -1]) @ kernel
        linear = tf.reshape(linear, [n_rows, members, -1])
        values = getattr(tf.nn, activation)(linear * outer + bias)
        if masks:
            values *= tf.reshape(masks[number], tf.shape(values))
    by_member = tf.transpose(values, [1, 0, 2]) @ last_kernel
    return tf.transpose(by_member, [1, 0, 2]) + last_bias


def members_log_odds(logits: Tensor) -> Tensor:
    """Log-odds of the members' mean probability: (n_rows, members, 2) to (n_rows,)."""
    log_probabilities = tf.reduce_logsumexp(tf.nn.log_softmax(logits), axis=1)
    return log_probabilities[:, 1] - log_probabilities[:, 0]


def members_losses(logits: Tensor, y: Tensor) -> Tensor:
    """The mean of the members' cross-entropies: (n_rows, members, 2) to (n_rows,)."""
    labels = tf.broadcast_to(y[:, None], tf.shape(logits)[:2])
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    return tf.reduce_mean(losses, axis=1)
