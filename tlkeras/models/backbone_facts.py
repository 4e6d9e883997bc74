"""What is known of a network of `keras.applications` without building it.

To build all of them takes minutes. A test holds the table against Keras.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class BackboneFacts:
    """What the doctor says of a network.

    Attributes:
        parameters: Without the top, at width 1.
        weights_file: Its ImageNet weights in Keras' cache, at its default size
            and width 1.
    """

    parameters: int
    weights_file: str


FACTS = {
    "Xception": BackboneFacts(
        20_861_480, "xception_weights_tf_dim_ordering_tf_kernels_notop.h5"
    ),
    "VGG16": BackboneFacts(
        14_714_688, "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    ),
    "VGG19": BackboneFacts(
        20_024_384, "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
    ),
    "ResNet50": BackboneFacts(
        23_587_712, "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    ),
    "ResNet101": BackboneFacts(
        42_658_176, "resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5"
    ),
    "ResNet152": BackboneFacts(
        58_370_944, "resnet152_weights_tf_dim_ordering_tf_kernels_notop.h5"
    ),
    "ResNet50V2": BackboneFacts(
        23_564_800, "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5"
    ),
    "ResNet101V2": BackboneFacts(
        42_626_560, "resnet101v2_weights_tf_dim_ordering_tf_kernels_notop.h5"
    ),
    "ResNet152V2": BackboneFacts(
        58_331_648, "resnet152v2_weights_tf_dim_ordering_tf_kernels_notop.h5"
    ),
    "InceptionV3": BackboneFacts(
        21_802_784, "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"
    ),
    "InceptionResNetV2": BackboneFacts(
        54_336_736,
        "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
    ),
    "MobileNet": BackboneFacts(3_228_864, "mobilenet_1_0_224_tf_no_top.h5"),
    "MobileNetV2": BackboneFacts(
        2_257_984,
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
    ),
    "MobileNetV3Small": BackboneFacts(
        939_120, "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5"
    ),
    "MobileNetV3Large": BackboneFacts(
        2_996_352, "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5"
    ),
    "DenseNet121": BackboneFacts(
        7_037_504, "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5"
    ),
    "DenseNet169": BackboneFacts(
        12_642_880, "densenet169_weights_tf_dim_ordering_tf_kernels_notop.h5"
    ),
    "DenseNet201": BackboneFacts(
        18_321_984, "densenet201_weights_tf_dim_ordering_tf_kernels_notop.h5"
    ),
    "NASNetMobile": BackboneFacts(4_269_716, "nasnet_mobile_no_top.h5"),
    "NASNetLarge": BackboneFacts(84_916_818, "nasnet_large_no_top.h5"),
    "EfficientNetB0": BackboneFacts(4_049_571, "efficientnetb0_notop.h5"),
    "EfficientNetB1": BackboneFacts(6_575_239, "efficientnetb1_notop.h5"),
    "EfficientNetB2": BackboneFacts(7_768_569, "efficientnetb2_notop.h5"),
    "EfficientNetB3": BackboneFacts(10_783_535, "efficientnetb3_notop.h5"),
    "EfficientNetB4": BackboneFacts(17_673_823, "efficientnetb4_notop.h5"),
    "EfficientNetB5": BackboneFacts(28_513_527, "efficientnetb5_notop.h5"),
    "EfficientNetB6": BackboneFacts(40_960_143, "efficientnetb6_notop.h5"),
    "EfficientNetB7": BackboneFacts(64_097_687, "efficientnetb7_notop.h5"),
    "EfficientNetV2B0": BackboneFacts(5_919_312, "efficientnetv2-b0_notop.h5"),
    "EfficientNetV2B1": BackboneFacts(6_931_124, "efficientnetv2-b1_notop.h5"),
    "EfficientNetV2B2": BackboneFacts(8_769_374, "efficientnetv2-b2_notop.h5"),
    "EfficientNetV2B3": BackboneFacts(12_930_622, "efficientnetv2-b3_notop.h5"),
    "EfficientNetV2S": BackboneFacts(20_331_360, "efficientnetv2-s_notop.h5"),
    "EfficientNetV2M": BackboneFacts(53_150_388, "efficientnetv2-m_notop.h5"),
    "EfficientNetV2L": BackboneFacts(117_746_848, "efficientnetv2-l_notop.h5"),
    "ConvNeXtTiny": BackboneFacts(27_820_128, "convnext_tiny_notop.h5"),
    "ConvNeXtSmall": BackboneFacts(49_454_688, "convnext_small_notop.h5"),
    "ConvNeXtBase": BackboneFacts(87_566_464, "convnext_base_notop.h5"),
    "ConvNeXtLarge": BackboneFacts(196_230_336, "convnext_large_notop.h5"),
    "ConvNeXtXLarge": BackboneFacts(348_147_968, "convnext_xlarge_notop.h5"),
}
