"""What the samples are made from: their texts, and the programs that set them."""
