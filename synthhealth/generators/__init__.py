"""The engines that learn a cohort and sample a synthetic one."""
