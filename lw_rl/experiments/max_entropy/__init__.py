"""What the papers on maximum-entropy control claim, measured."""
