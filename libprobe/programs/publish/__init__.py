"""Results on their way to the message broker: kept at once, sent when they can be."""
