//! What each experiment shows, in words for its page, and how long it takes.

/// An experiment in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AboutExperiment {
    /// Name on the command line.
    pub name: &'static str,
    /// The question that the experiment answers.
    pub question: &'static str,
    /// What is done, and how to read the figures and the table.
    pub explanation: &'static str,
}

/// Every experiment, in the order of the command line's help.
pub const EXPERIMENTS: [AboutExperiment; 13] = [
    about(
        "ring",
        "Which methods drop modes, and what helps?",
        "The data are eight Gaussians on a circle. A generator that has collapsed covers only some of them. Each method trains the same \
         small networks; a mode counts as found if a sample lies within three standard deviations of its center. The figures show real \
         points and the samples of each method; the animations show them during training. A good method finds eight modes, has a share \
         of high-quality samples near 0.989, and a reverse KL divergence near 0.",
    ),
    about(
        "grid",
        "Which methods drop modes, and what helps?",
        "The data are twenty-five Gaussians on a grid. A generator that has collapsed covers only some of them. Each method trains the \
         same small networks; a mode counts as found if a sample lies within three standard deviations of its center. A good method \
         finds twenty-five modes, has a share of high-quality samples near 0.989, and a reverse KL divergence near 0.",
    ),
    about(
        "densities",
        "How do data, generator and discriminator develop in one dimension?",
        "This is figure 1 of Goodfellow et al. 2014, computed. The dotted line is the density of the data, the green line that of the \
         generator, the dashed line the discriminator, and the pale line the best possible discriminator for the current generator. The \
         arrows below lead from latents to samples. At the end both densities are equal, and the discriminator is 1/2 everywhere.",
    ),
    about(
        "playground",
        "What happens in one step of the smallest GAN?",
        "The generator is wz + b, the discriminator is sigmoid(ax + c): four numbers that gradient descent changes. The table lists them \
         step by step; the curves show how they develop.",
    ),
    about(
        "theory",
        "Does a trained discriminator become p/(p+q), and what is the minimum of C(G)?",
        "Each row of the table checks one statement of Goodfellow et al. 2014: the optimal discriminator for a fixed generator, the value \
         of the game there, its minimum -log 4, and the equilibrium. The figures compare the trained discriminator with the formula.",
    ),
    about(
        "dirac",
        "Which methods converge, and which circle forever?",
        "The data are a single point, and both networks are single numbers (Mescheder et al. 2018). Each figure draws the path of the two \
         numbers from (1, 1); the only equilibrium is (0, 0). Without a regularizer most losses circle around it.",
    ),
    about(
        "vanishing",
        "What happens if the discriminator is too good?",
        "The discriminator is trained alone while the generator stays fixed. The curves show the norm of the generator's gradient: with \
         the minimax loss it vanishes as the discriminator becomes certain. The table shows which losses and regularizers keep it.",
    ),
    about(
        "compare",
        "How do other generative models perform on the same data?",
        "A Gaussian, a mixture, a restricted Boltzmann machine, a variational autoencoder and a GAN are fitted to one data set with two \
         modes. The figures show the density of the samples of each beside the data.",
    ),
    about(
        "capacity",
        "What does a larger generator gain, per byte of flash?",
        "Generators of several sizes are trained on the same images and quantized. The curve shows the Fréchet distance against the bytes \
         of flash; the floor is the distance of real images. The images below show samples of each size.",
    ),
    about(
        "counting",
        "How often is the number of objects wrong?",
        "Every training image shows exactly three discs. The curve shows in how many of the generated images another number is found \
         during training, and the two grids compare real and generated images.",
    ),
    about(
        "symmetry",
        "How often do the two halves of an image not match?",
        "Every training image has mirror symmetry. The curve shows in how many of the generated images the halves differ during training, \
         and the two grids compare real and generated images.",
    ),
    about(
        "rates",
        "Which learning rates does a method tolerate?",
        "One run is trained for each pair of learning rates of the discriminator and the generator. Each field of the figure shows the \
         samples of one pair.",
    ),
    about(
        "stacked",
        "How many of a thousand modes are generated?",
        "Each training image has three digits, as red, green and blue. Their 1,000 combinations are the modes; a classifier counts how \
         many of them appear in 26,000 generated images (Metz et al. 2017). A good generator reaches 1,000 and a KL divergence near 0.",
    ),
];

const fn about(name: &'static str, question: &'static str, explanation: &'static str) -> AboutExperiment {
    AboutExperiment { name, question, explanation }
}
