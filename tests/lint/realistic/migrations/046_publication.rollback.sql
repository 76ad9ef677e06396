drop publication warehouse;
