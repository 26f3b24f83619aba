"""What the engine stands on, no calculus in it: the array side of a Tensor, broadcasting undone, sparse gradients."""
